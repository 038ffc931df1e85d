// Asks the members' hash table for those that nothing else finds: not at once, for they are mostly asleep,
// then ever more seldom.

import { millis, underEither } from '../../core/index.ts'
import type { Clock, Logger, Millis, NodeId } from '../../core/index.ts'
import type { NetworkPaths } from '../ports.ts'
import type { Tasks } from '../tasks.ts'
import {
  SEARCH_DELAY_MAX_MS,
  SEARCH_DELAY_MIN_MS,
  SEARCH_TIMEOUT_MS,
  SEARCHES_AT_ONCE_MAX
} from './limits.ts'

export interface PeerSearchDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly tasks: Tasks
  readonly paths: Pick<NetworkPaths, 'find'>
  /** Members say that `peer` is there. */
  readonly found: (peer: NodeId, addresses: readonly string[]) => void
}

interface Search {
  dueAt: Millis
  delayMs: number
}

export class PeerSearch {
  readonly #deps: PeerSearchDeps
  readonly #searches = new Map<NodeId, Search>()
  #underWay = 0

  constructor(deps: PeerSearchDeps) {
    this.#deps = deps
  }

  /** To be called about once a second with the members that are not connected. */
  tick(missing: readonly NodeId[]): void {
    const now = this.#deps.clock.now()
    const isMissing = new Set(missing)
    for (const peer of this.#searches.keys()) {
      if (!isMissing.has(peer)) this.#searches.delete(peer)
    }
    for (const peer of missing) {
      const search = this.#searches.get(peer)
      if (search === undefined) {
        const dueAt = millis(now + SEARCH_DELAY_MIN_MS)
        this.#searches.set(peer, { dueAt, delayMs: SEARCH_DELAY_MIN_MS })
      } else if (now >= search.dueAt && this.#underWay < SEARCHES_AT_ONCE_MAX) {
        search.delayMs = Math.min(SEARCH_DELAY_MAX_MS, 2 * search.delayMs)
        search.dueAt = millis(now + search.delayMs)
        this.#ask(peer)
      }
    }
  }

  /** The network has changed: all is asked anew. */
  reset(): void {
    this.#searches.clear()
  }

  #ask(peer: NodeId): void {
    const { clock, log, tasks, paths, found } = this.#deps
    this.#underWay += 1
    tasks.run('search', async (signal) => {
      const late = new AbortController()
      const done = new AbortController()
      clock.sleep(SEARCH_TIMEOUT_MS, done.signal).then(
        () => late.abort(),
        () => undefined // It has ended.
      )
      try {
        const addresses = await underEither(signal, late, (either) => paths.find(peer, either))
        if (addresses.length > 0) found(peer, addresses)
      } catch (error) {
        log.debug('a search came to nothing', { peer, error: String(error) })
      } finally {
        done.abort()
        this.#underWay -= 1
      }
    })
  }
}
