import { WeaverError } from '../../../core/index.ts'
import type { KeyValueStore, StoreWrite } from '../../../core/index.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import type { Life } from './life.ts'
import type { StorageTiming } from './storage-timing.ts'

/**
 * One machine's key-value store: what it holds outlives the kernels that use it. A batch that a crash
 * overtakes is there as a whole or not at all, and the seed says which.
 */
export class SimStore {
  readonly #durable = new MemoryStore()
  readonly #timing: StorageTiming

  constructor(timing: StorageTiming) {
    this.#timing = timing
  }

  /** The store as the kernel of one life sees it. */
  attach(life: Life): KeyValueStore {
    const durable = this.#durable
    const timing = this.#timing
    let last: Promise<unknown> = Promise.resolve()
    const write = async (writes: readonly StoreWrite[]): Promise<void> => {
      if (timing.fault === 'full') {
        timing.counts.refused += 1
        throw storeFailed('there is no space left')
      }
      if (timing.fails()) throw storeFailed('input/output error')
      const forget = life.onEnd(() => {
        if (timing.prng.below(2) === 0) timing.counts.lostWrites += 1
        else void durable.write(writes)
      })
      await timing.synced(life)
      forget()
      await durable.write(writes)
      if (timing.isMisreported()) throw storeFailed('input/output error')
    }
    return {
      get: async (key) => {
        await timing.quick(life)
        return await durable.get(key)
      },
      list: async (prefix) => {
        await timing.quick(life)
        return await durable.list(prefix)
      },
      write: (writes) => {
        // In the order of the calls, as the port promises.
        const copy = writes.map(({ key, value }) => ({ key, value: value?.slice() ?? null }))
        const done = last.then(() => write(copy))
        last = done.catch(() => undefined)
        return life.guard(done)
      }
    }
  }
}

function storeFailed(why: string): WeaverError {
  return new WeaverError('STORE_FAILED', `Cannot write to the store: ${why}`, { retry: 'later' })
}
