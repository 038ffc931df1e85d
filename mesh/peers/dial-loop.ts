// Carries out what the dialler decides: dials, and one timer for the next decision.

import { millis, underEither } from '../../core/index.ts'
import type { Clock, Logger, Millis, NodeId, Prng } from '../../core/index.ts'
import { COURTESY_HIGHER_MS, COURTESY_LOWER_MS } from '../limits.ts'
import type { Tasks } from '../tasks.ts'
import { decideDials, INITIAL_DIALLER } from './dialler.ts'
import type { DialEvent, DiallerState } from './dialler.ts'

export interface DialLoopDeps {
  readonly self: NodeId
  readonly clock: Clock
  readonly prng: Prng
  readonly log: Logger
  readonly tasks: Tasks
  /** Dials and greets. Resolves when the connection serves (or another one does), else rejects. */
  readonly connect: (peer: NodeId, signal: AbortSignal) => Promise<void>
}

const JITTER_STEPS = 1024

export class DialLoop {
  readonly #deps: DialLoopDeps
  #state: DiallerState = INITIAL_DIALLER
  #timer: AbortController | null = null

  constructor(deps: DialLoopDeps) {
    this.#deps = deps
  }

  peers(): readonly NodeId[] {
    return [...this.#state.peers.keys()]
  }

  /** These are to be connected from now on, new ones at once, but for whom `isSecond`: they may dial first. */
  add(peers: readonly NodeId[], isSecond: (peer: NodeId) => boolean): void {
    for (const peer of peers) {
      if (this.#state.peers.has(peer)) continue
      const courtesyMs = isSecond(peer) ? this.#courtesyFor(peer) : millis(0)
      this.dispatch({ kind: 'added', peer, courtesyMs })
    }
  }

  lost(peer: NodeId): void {
    this.dispatch({ kind: 'lost', peer, jitter: this.#jitter() })
  }

  /** Somebody says that `peer` is there. It has probably heard of us, too, and one dial is enough. */
  hint(peer: NodeId): void {
    this.dispatch({ kind: 'hint', peer, courtesyMs: this.#courtesyFor(peer) })
  }

  dispatch(event: DialEvent): void {
    const { clock, tasks } = this.#deps
    const now = clock.now()
    const { state, dial, wakeAt } = decideDials(this.#state, event, now)
    this.#state = state
    this.#timer?.abort()
    this.#timer = null
    for (const peer of dial) tasks.run('dial', (signal) => this.#dial(peer, signal))
    if (wakeAt === null || tasks.signal.aborted) return
    const timer = new AbortController()
    this.#timer = timer
    tasks.run('dial timer', async (signal) => {
      try {
        await underEither(signal, timer, (either) => clock.sleep(millis(wakeAt - now), either))
      } catch {
        return // Another decision has set another timer, or we stop.
      }
      this.dispatch({ kind: 'tick' })
    })
  }

  async #dial(peer: NodeId, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.connect(peer, signal)
    } catch (error) {
      this.#deps.log.debug('a dial failed', { peer, error: String(error) })
    }
    // After a success the peer is `connected` already, and this changes nothing (D1 either way).
    this.dispatch({ kind: 'failed', peer, jitter: this.#jitter() })
  }

  #courtesyFor(peer: NodeId): Millis {
    return this.#deps.self < peer ? COURTESY_LOWER_MS : COURTESY_HIGHER_MS
  }

  #jitter(): number {
    return this.#deps.prng.below(JITTER_STEPS) / JITTER_STEPS
  }
}
