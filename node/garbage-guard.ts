// Bounds what garbage a busy kernel holds.
//
// The young generation is small (cli/kernel-options.ts), so what a peer asks for soon counts as old; and V8 lets the
// old grow to four times what lives before it looks at it: 50 MB became 200 under a flood of streams. Its option
// `--heap-growing-percent` bounds that too, but looks all the more often through a heap that is small: at 50 it took two
// fifths of the speed of a stream. So after each collection of V8 the growth is measured, and a thorough one made when it
// is worth the 20 to 50 ms that every caller then waits.
//
// Invariants
//   G1. Above what was there after the last thorough collection there is at most GARBAGE_BYTES_MAX, or half as much again
//       where that is more, and what comes within one turn of the event loop.

// oxlint-disable-next-line no-restricted-imports -- V8's collections are heard of here, no time.
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import { GARBAGE_BYTES_MAX } from './limits.ts'

/** Decides after each collection, of which it is told what is in use and whether it was thorough. */
export class GarbageGuard {
  #restBytes = Infinity

  /** @returns whether a thorough one is due (G1) */
  collected(bytes: number, wasThorough: boolean): boolean {
    this.#restBytes = wasThorough ? bytes : Math.min(this.#restBytes, bytes)
    return bytes > this.#restBytes + Math.max(GARBAGE_BYTES_MAX, this.#restBytes / 2)
  }
}

/** Watches this thread until the returned function is called. */
export function guardGarbage(collect: () => void): () => void {
  const guard = new GarbageGuard()
  const observer = new PerformanceObserver((list) => {
    const wasThorough = list.getEntries().some(isThorough)
    if (guard.collected(inUseBytes(), wasThorough)) collect()
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

/** Its `detail` is what Node documents of entries of this type; its types do not have it. */
function isThorough(entry: object): boolean {
  if (!('detail' in entry)) return false
  const { detail } = entry
  if (typeof detail !== 'object' || detail === null || !('kind' in detail)) return false
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
}

function inUseBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}
