import type { Logger, LogFields } from '../../../core/index.ts'
import type { Life } from './life.ts'
import type { VirtualClock } from './virtual-clock.ts'

const LINES_KEPT_MAX = 400

/** What all kernels of a world have logged, newest last, for the report of a failure. */
export class CapturedLog {
  readonly #clock: VirtualClock
  readonly #lines: string[] = []

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count)
  }

  logger(node: string, life: Life, fields: LogFields = {}): Logger {
    const write = (level: string, message: string, more: LogFields = {}): void => {
      if (life.isOver) return
      const all = Object.entries({ ...fields, ...more }).map(([key, value]) => `${key}=${value}`)
      this.#lines.push(
        `${this.#clock.now().toFixed(3)} ${node} ${level} ${message} ${all.join(' ')}`
      )
      if (this.#lines.length > 2 * LINES_KEPT_MAX) this.#lines.splice(0, LINES_KEPT_MAX)
    }
    return {
      debug: () => {},
      info: (message, more) => write('info', message, more),
      warn: (message, more) => write('warn', message, more),
      error: (message, more) => write('error', message, more),
      child: (more) => this.logger(node, life, { ...fields, ...more })
    }
  }
}
