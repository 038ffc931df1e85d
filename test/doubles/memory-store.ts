import type { KeyValueStore, StoreWrite } from '../../core/index.ts'

/** A store that forgets. Keys are ordered by their UTF-8 bytes, as LevelDB orders them. */
export class MemoryStore implements KeyValueStore {
  readonly #values = new Map<string, Uint8Array>()
  /** Rejections to answer the next writes with, oldest first; null lets one pass. */
  readonly #failures: (Error | null)[] = []

  failNextWrite(error: Error): void {
    this.#failures.push(error)
  }

  async get(key: string): Promise<Uint8Array | null> {
    const value = this.#values.get(key)
    return value === undefined ? null : value.slice()
  }

  async write(writes: readonly StoreWrite[]): Promise<void> {
    const failure = this.#failures.shift()
    if (failure != null) throw failure
    for (const { key, value } of writes) {
      if (value === null) this.#values.delete(key)
      else this.#values.set(key, value.slice())
    }
  }

  async list(prefix: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]> {
    return [...this.#values]
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(([key, value]) => [key, value.slice()] as const)
  }
}
