// V8's collections, made by hand.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const OPTIONS = {
  /** The young generation alone: a millisecond. */
  young: { type: 'minor' },
  /** Everything: 20 to 50 ms. */
  thorough: { type: 'major' },
  /** That, several times, and empty pages go back to the system: 70 to 100 ms. */
  last: { type: 'major', flavor: 'last-resort' }
} as const

export function collector(kind: keyof typeof OPTIONS): () => void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  return () => {
    if (typeof collect === 'function') collect(OPTIONS[kind])
  }
}
