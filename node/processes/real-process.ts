// One child and everything that it started, from its start to the end of the last of them.
//
// Invariants
//   C1. `exited` resolves once: the child has ended, its group has ended, its output has been delivered.
//   C2. When it resolves, nothing of its group lives. Strays that left the group are killed by the next
//       sweep, which `stop` waits for.

import { millis } from '../../core/index.ts'
import type { Clock, Logger, Millis } from '../../core/index.ts'
import type { ExitStatus, RunningProcess } from '../../agents/index.ts'
import type { Container, ControlGroup } from '../containment/index.ts'
import { isSameLeash } from './environment.ts'
import type { Leash } from './environment.ts'
import type { Launched } from './launch.ts'
import {
  GROUP_POLL_MS,
  INSIDE_LOOK_PAUSE_MS,
  INSIDE_LOOKS_MAX,
  LINGER_MS,
  STOP_DRAIN_MS,
  STRAY_CHECK_MS
} from './limits.ts'
import { isLedBy, startsMatch, treesOf } from './os-processes.ts'
import type { Leader, OsProcess, OsProcesses } from './os-processes.ts'
import type { ProcessIo } from './process-io.ts'
import { signalName } from './signals.ts'
import { killAll } from './tree.ts'

export interface RealProcessDeps {
  readonly os: OsProcesses
  readonly clock: Clock
  readonly log: Logger
}

export interface RealProcessOptions {
  readonly leash: Leash
  readonly leader: Leader
  readonly io: ProcessIo
  readonly ended: Launched['ended']
  /** Holds it and all that it starts; null where the system has no such thing for us. */
  readonly group: ControlGroup | null
  /** Of a contained process: the command below the program that confines it, once it runs. */
  readonly inside: (() => number | null) | null
  /** Where it runs in one: the child is only its client. */
  readonly container: Container | undefined
}

export class RealProcess implements RunningProcess {
  readonly exited: Promise<ExitStatus>
  readonly #deps: RealProcessDeps
  readonly #options: RealProcessOptions
  readonly #ended: Promise<ExitStatus>
  #hasEnded = false
  #hasExited = false
  /** Start times of the processes below it, as they were last seen. */
  #known: ReadonlyMap<number, string> = new Map()
  #isStopping = false
  /** Until when its group may end by itself once it was asked to. */
  #graceEndsAt = 0

  constructor(deps: RealProcessDeps, options: RealProcessOptions) {
    this.#deps = deps
    this.#options = options
    this.#ended = options.ended.then((exit) => {
      this.#hasEnded = true
      return exit
    })
    this.exited = this.#conclude()
  }

  get osPid(): number {
    return this.#options.leader.osPid
  }

  /**
   * Processes that descended from it while their parents still told. Once those have ended, and without
   * the mark, nothing else leads to them.
   */
  get known(): ReadonlyMap<number, string> {
    return this.#known
  }

  /** `tree`: what belongs to it now. `isAlive`: whether one that was seen before is still there. */
  remember(tree: readonly OsProcess[], isAlive: (osPid: number, start: string) => boolean): void {
    const before = [...this.#known].filter(([osPid, start]) => isAlive(osPid, start))
    const now = tree.map(({ osPid, start }) => [osPid, start] as const)
    this.#known = new Map([...before, ...now])
  }

  signal(name: string): void {
    const signal = signalName(name)
    if (!this.#hasEnded) void this.#signalCommand(signal)
  }

  detachIo(): void {
    this.#options.io.detach()
  }

  async stop(graceMs: Millis): Promise<ExitStatus> {
    const { os, clock } = this.#deps
    if (!this.#hasExited) {
      this.#isStopping = true
      this.#graceEndsAt = clock.now() + graceMs
      await this.#lookAround()
      if (graceMs > 0) {
        await this.#signalCommand('SIGTERM')
        await this.#signalCommand('SIGCONT') // One that is suspended would not hear of the other.
        await this.#within(this.#ended, graceMs)
      }
      if (!this.#hasEnded) os.signal(-this.osPid, 'SIGKILL')
    }
    await this.#ended
    // The rest of the group has what is left of the grace; `#conclude` sees to that.
    if (!(await this.#within(this.exited, millis(this.#graceLeft() + STOP_DRAIN_MS)))) {
      this.detachIo() // A reader that does not take the last output must not hold up a stop.
    }
    await this.#sweep()
    return await this.exited
  }

  /**
   * Its group; of a contained one, the group of the command inside. What confines it would end at the
   * signal, and with it everything inside, without the grace that a signal leaves. Never rejects.
   */
  async #signalCommand(signal: NodeJS.Signals): Promise<void> {
    const { os, clock } = this.#deps
    const { inside } = this.#options
    if (inside === null) {
      os.signal(-this.osPid, signal)
      return
    }
    for (let look = 0; look < INSIDE_LOOKS_MAX && !this.#hasEnded; look++) {
      const command = inside()
      // It leads its own group from its first instruction on, and is signalled alone before.
      if (command !== null && (os.signal(-command, signal) || os.signal(command, signal))) return
      await clock.sleep(INSIDE_LOOK_PAUSE_MS)
    }
  }

  /** From the end of the child to the end of its group and its output. */
  async #conclude(): Promise<ExitStatus> {
    const { io } = this.#options
    const exit = await this.#ended
    await this.#lingerOn()
    this.#deps.os.signal(-this.osPid, 'SIGKILL')
    await this.#options.container?.end() // No child of the child: the group's end is not its end (C2).
    void this.#options.group?.remove() // Kills what is left in it, marked or not (C2).
    if (this.#isStopping) await this.#sweep() // Now, or strays would hold up the output's end.
    await this.#drain()
    this.#hasExited = true
    void io.finish(exit) // Its reader may take its time; the process has ended all the same.
    return exit
  }

  /** Gives the rest of the group a moment: all of the grace in a stop, to close the output otherwise. */
  async #lingerOn(): Promise<void> {
    const { os, clock } = this.#deps
    const { io } = this.#options
    if (!os.signal(-this.osPid, 0)) return
    if (this.#graceLeft() === 0) {
      await this.#within(io.drained, LINGER_MS)
    }
    while (this.#graceLeft() > 0 && (await this.#groupLives())) await clock.sleep(GROUP_POLL_MS)
  }

  /** A zombie can be signalled but does nothing more; some inits leave it around for long. */
  async #groupLives(): Promise<boolean> {
    if (!this.#deps.os.signal(-this.osPid, 0)) return false
    const processes = await this.#deps.os.scan({ withLeashes: false })
    return processes.some((process) => process.group === this.osPid && !process.isZombie)
  }

  /** Waits for the output's end, as long as its reader takes; kills strays that keep it open. */
  async #drain(): Promise<void> {
    const { io, leash } = this.#options
    let before = io.progress
    let hasSwept = false
    while (!(await this.#within(io.drained, STRAY_CHECK_MS))) {
      const isIdle = io.progress === before && io.progress !== -1
      before = io.progress
      if (!isIdle) continue
      if (hasSwept) {
        this.#deps.log.warn('Output is cut off: a process that cannot be seen keeps it open', {
          pid: leash.pid
        })
        io.cutOff()
      }
      await this.#sweep()
      hasSwept = true
    }
  }

  /** Before anything is ended: with a parent goes what it tells. */
  async #lookAround(): Promise<void> {
    const { leader } = this.#options
    const processes = await this.#deps.os.scan({ withLeashes: false })
    const tree = treesOf(processes, new Map([[leader.osPid, leader]])).get(leader.osPid) ?? []
    this.remember(tree, startsMatch(processes))
  }

  async #sweep(): Promise<void> {
    const { leader, leash } = this.#options
    const { isComplete } = await killAll(this.#deps, (process, byPid) => {
      if (this.#known.get(process.osPid) === process.start) return true
      if (process.leash !== null && isSameLeash(process.leash, leash)) return true
      return !this.#hasExited && isLedBy(process, leader, byPid)
    })
    if (!isComplete) this.#deps.log.warn('A process left others that live on', { pid: leash.pid })
  }

  #graceLeft(): number {
    return Math.max(0, this.#graceEndsAt - this.#deps.clock.now())
  }

  /** Whether `work`, which never rejects, is done within `limit`. */
  async #within(work: Promise<unknown>, limit: Millis): Promise<boolean> {
    const over = new AbortController()
    const late = this.#deps.clock.sleep(limit, over.signal).then(
      () => false,
      () => true // The sleep was aborted below.
    )
    const done = work.then(() => true)
    const isDone = await Promise.race([done, late])
    over.abort()
    return isDone
  }
}
