// Real children of this kernel.
//
// Invariants
//   H1. From the tick of its start to the end of its group a child is known to the guardian and the
//       journal; whatever kills the kernel, the child ends within a second, or at the next start.
//   H2. No argument of a command is ever read as code by a shell.
//   H3. What carries this kernel's mark and belongs to no live process is killed.
//   H5. What was asked to be contained is contained, or is not started.
//   H6. What a process leaves in a folder for its owner's tools to obey is told with its end.
//   H4. After `stop()` no process of this kernel lives and none will be started.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Logger, Millis, Pid, Sandbox } from '../../core/index.ts'
import type { ProcessHost, RunningProcess, SpawnRequest } from '../../agents/index.ts'
import { entering, foundProgram } from '../containment/index.ts'
import type {
  Container,
  ControlGroup,
  Guard,
  LaunchPlan,
  LaunchWish,
  OpenContainment,
  TrapChange
} from '../containment/index.ts'
import {
  childEnvironment,
  containedEnvironment,
  formatLeash,
  LEASH_VARIABLE,
  SOCKET_VARIABLE
} from './environment.ts'
import type { Leash } from './environment.ts'
import { ProcessStartError, STOPPED } from './errors.ts'
import { Guardian } from './guardian.ts'
import { ProcessJournal, readJournal } from './journal.ts'
import { checkShape, launch } from './launch.ts'
import type { Launched } from './launch.ts'
import { GROUP_POLL_MS, SWEEP_DELAY_MS, YOUNG_MS } from './limits.ts'
import type { Leader, OsProcesses } from './os-processes.ts'
import { PipeMaker } from './pipes.ts'
import { ProcessIo } from './process-io.ts'
import { RealProcess } from './real-process.ts'
import { reap } from './reaper.ts'
import type { ReapedProcess } from './reaper.ts'
import { Sampler } from './sampler.ts'
import type { ProcessSample } from './sampler.ts'
import { sharedScans } from './shared-scans.ts'
import { Spool } from './spool.ts'
import { killAll } from './tree.ts'
import { watchTraps } from './trap-watch.ts'
import { WaitingShells } from './waiting-shells.ts'

export interface RealProcessHostDeps {
  readonly os: OsProcesses
  readonly clock: Clock
  readonly log: Logger
  readonly containment: OpenContainment
  readonly onSamples: (samples: readonly ProcessSample[]) => void
  /** What a process changed, in the folders it may write, of what their owner's tools obey. */
  readonly onTraps: (pid: Pid, changes: readonly TrapChange[]) => void
}

export interface RealProcessHostOptions {
  /** The home's `run` and `spool` folders. */
  readonly runDirectory: string
  readonly spoolDirectory: string
  /** Names this home on this machine, and this run of its kernel: hexadecimal, 64 digits at most. */
  readonly homeId: string
  readonly bootId: string
  /** Where processes start unless told otherwise. */
  readonly directory: string
  /** What a process may inherit some variables of. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
}

type Started = Launched & {
  readonly group: ControlGroup | null
  readonly container?: Container | undefined
}

interface Adopted {
  readonly pid: Pid
  readonly leader: Leader
  readonly process: RealProcess
  readonly container: Container | undefined
}

export class RealProcessHost implements ProcessHost {
  readonly spool: Spool
  readonly #deps: RealProcessHostDeps
  /** The same process table, for those who search it for strays. */
  readonly #shared: OsProcesses
  readonly #options: RealProcessHostOptions
  readonly #guardian: Guardian
  readonly #journal: ProcessJournal
  readonly #journalPath: string
  readonly #machineBoot: string
  readonly #pipes: PipeMaker
  readonly #waiting: WaitingShells
  readonly #sampler: Sampler
  /** From before its start to the end of its group; null while it is being started. */
  readonly #live = new Map<Pid, RealProcess | null>()
  readonly #startedAt = new Map<Pid, number>()
  /** Seen below processes that have ended since; for the next sweep. */
  #orphans: Map<number, string> = new Map()
  readonly #stopped = new AbortController()
  #sweeping: Promise<void> | null = null
  #stopping: Promise<void> | null = null

  constructor(deps: RealProcessHostDeps, options: RealProcessHostOptions) {
    this.#deps = deps
    this.#shared = sharedScans({ ...deps, isBusy: () => this.#hasYoung() })
    this.#options = options
    this.#machineBoot = deps.os.bootOf()
    this.#journalPath = join(options.runDirectory, 'processes')
    this.#journal = new ProcessJournal(deps, { path: this.#journalPath, boot: this.#machineBoot })
    this.#guardian = new Guardian(deps, {
      mark: `WEAVER_LEASH=${options.homeId}:${options.bootId}:`,
      groupFolders: deps.containment.groups.folders,
      environment: deps.containment.podman.environment
    })
    this.#pipes = new PipeMaker(deps)
    this.#waiting = new WaitingShells({
      ...deps,
      pipes: this.#pipes,
      plan: () => deps.containment.containment().waiting()
    })
    this.#sampler = new Sampler({
      ...deps,
      onTree: (pid, tree, isAlive) => this.#live.get(pid)?.remember(tree, isAlive)
    })
    this.spool = new Spool(deps, { directory: options.spoolDirectory })
  }

  /** The guardian's own process, for `status` and for tests; null before `start`. */
  get guardianPid(): number | null {
    return this.#guardian.osPid
  }

  /** To be called once, under the home's lock. Ends, and tells, what an earlier kernel left behind. */
  async start(): Promise<readonly ReapedProcess[]> {
    mkdirSync(this.#options.runDirectory, { recursive: true, mode: 0o700 })
    const journal = readJournal(this.#journalPath, this.#machineBoot)
    const marked = await reap(this.#deps, { home: this.#options.homeId, journal })
    const unmarked = this.#deps.containment.groups.endEarlier()
    const known = new Set(marked.map(({ osPid }) => osPid))
    const reaped = [
      ...marked,
      ...unmarked
        .filter(({ osPid }) => !known.has(osPid))
        .map((left) => ({ ...left, command: '(without a mark)' }))
    ]
    this.#journal.open()
    this.spool.start()
    this.#guardian.start()
    // Elsewhere sockets do as well: /dev/stdout there is no new opening.
    if (this.#options.platform === 'linux') await this.#pipes.start()
    return reaped
  }

  /** See the port for what it throws. */
  async spawn(request: SpawnRequest): Promise<RunningProcess> {
    const { pid, command, cwd, env } = request
    if (this.#stopping !== null) throw new ProcessStartError(command[0], STOPPED)
    checkShape(command, env, cwd)
    const { homeId, bootId } = this.#options
    const leash: Leash = { home: homeId, boot: bootId, pid }
    this.#live.set(pid, null) // Before it can carry the mark, or a sweep would take it for a stray.
    try {
      const traps = await watchTraps(this.#deps, request)
      const launched = await this.#started(request, leash, traps.guards)
      return traps.follow(this.#adopt(request, leash, launched))
    } catch (error) {
      this.#live.delete(pid)
      void this.#deps.containment.egress?.close(pid)
      throw error
    }
  }

  /** Either way of starting it: contained, or as an ordinary process of this user (H5). */
  async #started(request: SpawnRequest, leash: Leash, guards: readonly Guard[]): Promise<Started> {
    const hasInput = request.io !== null
    if (request.sandbox.containment === 'none') {
      return await this.#launch(this.#uncontained(request, leash), hasInput)
    }
    const wish = this.#wish(request, leash, guards)
    const { image } = request.sandbox
    if (image !== undefined) {
      const { podman } = this.#deps.containment
      const plan = await podman.plan({ ...wish, isWaitedFor: false }, image)
      return await this.#launch(plan, hasInput)
    }
    const containment = this.#deps.containment.containment()
    const plan = await containment.plan({ ...wish, isWaitedFor: this.#waiting.hasOne })
    if (!('told' in plan)) return await this.#launch(plan, hasInput)
    const become = this.#waiting.become(plan.told, hasInput)
    if (become !== null) return become
    const other = await containment.plan({ ...wish, isWaitedFor: false })
    if ('told' in other) throw new ProcessStartError(request.command[0], STOPPED) // Not reached.
    return await this.#launch(other, hasInput)
  }

  #wish(
    { pid, command, cwd, env, io, ...rest }: SpawnRequest,
    leash: Leash,
    guards: readonly Guard[]
  ): Omit<LaunchWish, 'isWaitedFor'> {
    const { directory, environment } = this.#options
    return {
      pid,
      command,
      environment: containedEnvironment(environment),
      given: env,
      mark: [LEASH_VARIABLE, formatLeash(leash)],
      directory: cwd ?? directory,
      isOwnDirectory: rest.isOwnFolder === true,
      grants: rest.sandbox.grants,
      guards,
      limits: rest.sandbox.limits,
      gpus: rest.gpus ?? [],
      watch: rest.outputFilter ?? null,
      kernelSocket: rest.kernelSocket ?? null,
      hasInput: io !== null
    }
  }

  /** Not confined, and limited and ended by its control group all the same, where there are any. */
  #uncontained(request: SpawnRequest, leash: Leash): LaunchPlan {
    const { pid, command, cwd, sandbox, kernelSocket } = request
    const socket = kernelSocket === undefined ? {} : { [SOCKET_VARIABLE]: kernelSocket }
    const env = { ...request.env, ...socket }
    const { limits } = sandbox
    const directory = cwd ?? this.#options.directory
    const environment = childEnvironment(this.#options.environment, env, leash)
    const kept = { demanded: limits, isKillable: true }
    const group = this.#deps.containment.groups.make(String(pid), limits, kept)
    const plan = { environment, directory, descriptors: [], release: (): void => undefined }
    if (group === null) return { ...plan, command, group }
    const seen = [{ path: '/', inside: '/', isWritable: true }]
    const path = environment['PATH'] ?? ''
    try {
      foundProgram({ program: command[0], path, workDirectory: directory, seen })
    } catch (error) {
      void group.remove()
      throw error
    }
    return { ...plan, command: entering(group.joinFiles, command), group }
  }

  async #launch(plan: LaunchPlan, hasInput: boolean): Promise<Started> {
    const { group, container } = plan
    if (container !== undefined) this.#guardian.addContainer(container.name) // H1
    try {
      const pipes = await this.#pipes.take(hasInput ? 3 : 2)
      return { ...(await launch({ ...plan, hasInput, pipes })), group, container }
    } catch (error) {
      void group?.remove()
      if (container !== undefined) this.#guardian.deleteContainer(container.name)
      throw error
    } finally {
      plan.release()
    }
  }

  holdOutput(pid: Pid): () => void {
    return this.spool.hold(pid)
  }

  /** Ends all processes, then everything that belongs to them. May be called twice. */
  stop(graceMs: Millis): Promise<void> {
    this.#stopping ??= this.#stop(graceMs)
    return this.#stopping
  }

  #adopt(request: SpawnRequest, leash: Leash, launched: Started): RealProcess {
    const { pid, io: channel, sandbox } = request
    const { osPid, stdin, stdout, stderr, ended, group, container } = launched
    // Without a start time, which its zombie still has, nobody but the mark could end it later.
    const leader: Leader = { osPid, start: this.#deps.os.startOf(osPid) ?? 'unknown' }
    this.#guardian.add(leader)
    this.#journal.add(pid, leader) // H1
    this.#sampler.add(pid, leader)
    const release = this.spool.hold(pid)
    const io = new ProcessIo(
      {
        log: this.#deps.log,
        spool: this.spool,
        onSignal: (name) => this.#live.get(pid)?.signal(name)
      },
      { pid, channel, stdin, stdout, stderr, filter: request.outputFilter ?? null }
    )
    const parts = { ...this.#deps, os: this.#shared }
    const inside =
      container === undefined ? this.#insideOf(sandbox, osPid) : () => container.inside()
    const process = new RealProcess(parts, {
      leash,
      leader,
      io,
      ended,
      group,
      inside,
      container
    })
    this.#live.set(pid, process)
    this.#startedAt.set(pid, this.#deps.clock.now())
    void this.#forget({ pid, leader, process, container }).then(release)
    return process
  }

  #insideOf({ containment }: Sandbox, osPid: number): (() => number | null) | null {
    return containment === 'os' ? () => this.#deps.containment.containment().inside(osPid) : null
  }

  /** Never rejects. */
  async #forget({ pid, leader, process, container }: Adopted): Promise<void> {
    await process.exited
    if (container !== undefined) this.#guardian.deleteContainer(container.name)
    for (const [osPid, start] of process.known) this.#orphans.set(osPid, start)
    void this.#deps.containment.egress?.close(pid)
    this.#live.delete(pid)
    this.#startedAt.delete(pid)
    this.#sampler.delete(pid)
    this.#guardian.delete(leader)
    this.#journal.delete(pid)
    this.#sweepSoon()
  }

  #hasYoung(): boolean {
    const since = this.#deps.clock.now() - YOUNG_MS
    return [...this.#startedAt.values()].some((startedAt) => startedAt > since)
  }

  /** One search for the strays of all that ended in the meantime. */
  #sweepSoon(): void {
    if (this.#stopping !== null) return
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = null
    })
  }

  /** Never rejects. */
  async #sweep(): Promise<void> {
    try {
      await this.#deps.clock.sleep(SWEEP_DELAY_MS, this.#stopped.signal)
    } catch {
      return // Stopping: the last sweep is done there.
    }
    try {
      await this.#killStrays()
    } catch (error) {
      this.#deps.log.warn('Cannot search for strays', { error: String(error) })
    }
  }

  async #killStrays(): Promise<void> {
    const { homeId, bootId } = this.#options
    const orphans = this.#orphans
    this.#orphans = new Map()
    const parts = { ...this.#deps, os: this.#shared }
    const { ended } = await killAll(parts, ({ osPid, start, leash }) => {
      if (orphans.get(osPid) === start) return true
      if (leash === null || leash.home !== homeId || leash.boot !== bootId) return false
      return !this.#live.has(leash.pid) // H3
    })
    for (const { osPid, leash, command } of ended) {
      const pid = leash?.pid ?? null
      this.#deps.log.info('Ended a process that its own had left behind', { osPid, pid, command })
    }
  }

  async #stop(graceMs: Millis): Promise<void> {
    this.#stopped.abort()
    await this.#sweeping
    while (this.#live.size > 0) {
      const processes = [...this.#live.values()].filter((process) => process !== null)
      await Promise.all(processes.map((process) => process.stop(graceMs)))
      // Those that were being started when the stop came are next.
      if (this.#live.size > 0) await this.#deps.clock.sleep(GROUP_POLL_MS)
    }
    await this.#waiting.stop()
    await this.#killStrays()
    this.#sampler.stop()
    await this.spool.stop()
    await this.#pipes.stop()
    await this.#guardian.stop()
    await this.#deps.containment.groups.close()
    this.#journal.close()
  }
}
