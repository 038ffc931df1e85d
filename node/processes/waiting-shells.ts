// Shells that wait to become contained processes (see node/containment/waiting.ts): a few, once there was a first
// contained start.
//
// Invariants
//   W1. A shell becomes one process at most. One that cannot be told is ended, and never tried again.
//   W2. A waiting shell ends with its kernel: it holds the other end of the only pipe on which it listens.

import { closeSync, writeSync } from 'node:fs'
import { millis } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import type { ControlGroup, WaitingPlan } from '../containment/index.ts'
import { launch } from './launch.ts'
import type { Launched } from './launch.ts'
import { WAITING_SHELLS } from './limits.ts'
import { turnedAround } from './pipes.ts'
import type { PipeMaker } from './pipes.ts'

export interface WaitingShellsDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly pipes: PipeMaker
  /** Null: this machine's containment has no such thing. */
  readonly plan: () => WaitingPlan | null
}

interface Shell {
  readonly launched: Launched
  readonly group: ControlGroup | null
  /** The end of the pipe on which it is told. */
  readonly teller: number
  hasEnded: boolean
}

export class WaitingShells {
  readonly #deps: WaitingShellsDeps
  #shells: Shell[] = []
  #filling: Promise<void> | null = null
  #isStopped = false

  constructor(deps: WaitingShellsDeps) {
    this.#deps = deps
  }

  /** Whether one waits now. The first question makes it that some will. */
  get hasOne(): boolean {
    if (this.#shells.length === 0) void this.#fill()
    return this.#shells.some(({ hasEnded }) => !hasEnded)
  }

  /** Makes one of them a process; null when none is left, or it could not be told. */
  become(
    told: Uint8Array,
    hasInput: boolean
  ): (Launched & { readonly group: ControlGroup | null }) | null {
    const shell = this.#shells.shift()
    if (shell === undefined) return null
    const { launched, group } = shell
    try {
      writeSync(shell.teller, told) // From here it starts, also if this kernel dies.
    } catch (error) {
      this.#deps.log.warn('A waiting shell could not be told', { why: String(error) })
      void dismissed(shell) // W1
      return null
    }
    closeSync(shell.teller)
    void this.#fill()
    if (hasInput) return { ...launched, group }
    launched.stdin?.destroy()
    return { ...launched, stdin: null, group }
  }

  /** Ends all of them. May be called twice. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#filling
    await Promise.all(this.#shells.splice(0).map(dismissed))
  }

  /** Never rejects. */
  #fill(): Promise<void> {
    this.#filling ??= this.#filled()
      .catch((error: unknown) => {
        this.#deps.log.warn('No shell can wait for a start', { why: String(error) })
      })
      .finally(() => {
        this.#filling = null
      })
    return this.#filling
  }

  async #filled(): Promise<void> {
    // What was just told comes first: a fork holds this thread up.
    await this.#deps.clock.sleep(millis(0))
    const ended = this.#shells.filter(({ hasEnded }) => hasEnded)
    this.#shells = this.#shells.filter(({ hasEnded }) => !hasEnded)
    await Promise.all(ended.map(dismissed))
    while (!this.#isStopped && this.#shells.length < WAITING_SHELLS) {
      const shell = await this.#made()
      if (shell === null) return
      this.#shells.push(shell)
    }
  }

  async #made(): Promise<Shell | null> {
    const plan = this.#deps.plan()
    if (plan === null) return null
    const [first, ...pipes] = (await this.#deps.pipes.take(4)) ?? []
    if (first === undefined) {
      plan.release()
      void plan.group?.remove()
      return null
    }
    const told = turnedAround(first)
    try {
      const descriptors = [told.childEnd, ...plan.descriptors]
      const launched = await launch({ ...plan, hasInput: true, pipes, descriptors })
      const shell: Shell = { launched, group: plan.group, teller: told.ownEnd, hasEnded: false }
      void launched.ended.then(() => (shell.hasEnded = true))
      return shell
    } catch (error) {
      closeSync(told.ownEnd)
      void plan.group?.remove()
      throw error
    } finally {
      plan.release()
      closeSync(told.childEnd)
    }
  }
}

/** Lets it end, and what was held for it go. Never rejects. */
async function dismissed({ launched, group, teller }: Shell): Promise<void> {
  closeSync(teller) // W2
  await launched.ended
  launched.stdin?.destroy()
  launched.stdout.destroy()
  launched.stderr.destroy()
  await group?.remove()
}
