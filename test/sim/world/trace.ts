import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'

const LINES_KEPT_MAX = 400

/** What happened, as one hash over all of it and the last lines of it as text. */
export class Trace {
  readonly #hash: Hash = createHash('sha256')
  readonly #lines: string[] = []
  #count = 0

  add(line: string, bytes?: Uint8Array): void {
    this.#hash.update(line)
    if (bytes !== undefined) this.#hash.update(bytes)
    this.#count += 1
    this.#lines.push(line)
    if (this.#lines.length > 2 * LINES_KEPT_MAX) this.#lines.splice(0, LINES_KEPT_MAX)
  }

  get count(): number {
    return this.#count
  }

  get digest(): string {
    return this.#hash.copy().digest('hex')
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count)
  }
}
