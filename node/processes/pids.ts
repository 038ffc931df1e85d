// Numbers for processes.
//
// Invariants
//   P1. A pid is given out once in the life of a home: the block it comes from is durable before.

import { pid, utf8 } from '../../core/index.ts'
import type { KeyValueStore, Pid } from '../../core/index.ts'
import { PIDS_PER_BLOCK } from './limits.ts'

const KEY = 'processes/pids-reserved'

export interface Pids {
  /** @throws WeaverError `STORE_FAILED` when no further block can be reserved */
  next(): Promise<Pid>
}

export function createPids(deps: { readonly store: KeyValueStore }): Pids {
  let last: number | null = null
  let reserved = 0
  // One after the other: two that find the block used up share the next one.
  let turn: Promise<unknown> = Promise.resolve()

  const take = async (): Promise<Pid> => {
    if (last === null) {
      reserved = parseReserved(await deps.store.get(KEY))
      last = reserved // What was left of the last block is given up.
    }
    if (last >= reserved) {
      const upTo = reserved + PIDS_PER_BLOCK
      await deps.store.write([{ key: KEY, value: utf8(String(upTo)) }])
      reserved = upTo
    }
    last += 1
    return pid(last)
  }

  return {
    next: () => {
      const taken = turn.then(take)
      turn = taken.catch(() => {}) // Whoever asked hears of it; the next one tries again.
      return taken
    }
  }
}

function parseReserved(value: Uint8Array | null): number {
  return value === null ? 0 : pid(Number(new TextDecoder().decode(value)))
}
