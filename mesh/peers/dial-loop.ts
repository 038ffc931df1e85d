// Carries out what the dialler decides: dials, and one timer for the next decision.

import { millis, underEither } from '../../core/index.ts'
import type { Clock, Logger, NodeId, Prng } from '../../core/index.ts'
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

  has(peer: NodeId): boolean {
    return this.#state.peers.has(peer)
  }

  peers(): readonly NodeId[] {
    return [...this.#state.peers.keys()]
  }

  lost(peer: NodeId): void {
    this.dispatch({ kind: 'lost', peer, jitter: this.#jitter() })
  }

  /** Somebody says that `peer` is there. It has probably heard of us, too, and one dial is enough. */
  hint(peer: NodeId): void {
    const courtesyMs = this.#deps.self < peer ? COURTESY_LOWER_MS : COURTESY_HIGHER_MS
    this.dispatch({ kind: 'hint', peer, courtesyMs })
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

  #jitter(): number {
    return this.#deps.prng.below(JITTER_STEPS) / JITTER_STEPS
  }
}
