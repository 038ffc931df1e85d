// Real processes under a real host in a temporary folder.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channelPair, millis, pid, WeaverError } from '../../../core/index.ts'
import type { FrameChannel, Logger, Sandbox } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { decodeIoFrame, encodeIoFrame } from '../../../node/api/io-frame.ts'
import type { IoFrame } from '../../../node/api/io-frame.ts'
import { RealProcessHost } from '../../../node/processes/host.ts'
import type { ProcessSample } from '../../../node/processes/sampler.ts'
import type { OpenContainment, TrapChange } from '../../../node/containment/index.ts'
import type { RunningProcess, SpawnRequest } from '../../../agents/index.ts'
import { systemProcesses } from '../../../node/processes/system-processes.ts'
import { realContainment, uncontained } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../doubles/silent-log.ts'

let boots = 0
let pids = 0

interface StageOptions {
  readonly directory?: string
  readonly bootId?: string
  readonly homeId?: string
  readonly log?: Logger
  readonly sandbox?: Sandbox
}

interface OpenStageOptions extends StageOptions {
  readonly directory: string
  readonly homeId: string
  readonly bootId: string
  readonly containment: OpenContainment
}

export class Stage {
  readonly directory: string
  readonly host: RealProcessHost
  readonly samples: ProcessSample[] = []
  readonly traps: TrapChange[] = []

  readonly #containment: OpenContainment
  /** How its processes are confined. */
  readonly sandbox: Sandbox

  static async open(options: StageOptions = {}): Promise<Stage> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'weaver-processes-'))
    boots += 1
    // Tests of other runs on this machine are other homes.
    const homeId = options.homeId ?? `c0ffee${process.pid.toString(16)}`
    const bootId = options.bootId ?? `b${boots}`
    const runDirectory = join(directory, 'run')
    mkdirSync(runDirectory, { recursive: true })
    const names = { home: homeId, boot: bootId, runDirectory }
    const containment = await realContainment({ ...names, closedPaths: [directory] })
    return new Stage({ ...options, directory, homeId, bootId, containment })
  }

  private constructor(options: OpenStageOptions) {
    this.#containment = options.containment
    this.directory = options.directory
    this.sandbox = options.sandbox ?? uncontained
    this.host = new RealProcessHost(
      {
        os: systemProcesses,
        clock: systemClock,
        log: options.log ?? silentLog,
        containment: options.containment,
        onTraps: (_, changes) => this.traps.push(...changes),
        onSamples: (samples) => this.samples.push(...samples)
      },
      {
        runDirectory: join(this.directory, 'run'),
        spoolDirectory: join(this.directory, 'spool'),
        homeId: options.homeId,
        bootId: options.bootId,
        directory: this.directory,
        environment: process.env,
        platform: process.platform
      }
    )
  }

  /** Starts a command with somebody attached. */
  async attach(...command: readonly [string, ...string[]]): Promise<Attached> {
    const [ours, theirs] = channelPair()
    pids += 1
    const running = await this.host.spawn({
      pid: pid(pids),
      command,
      env: {},
      ...this.#folder(),
      io: theirs
    })
    return new Attached(pids, running, ours)
  }

  /** Starts a command that writes to its spool. */
  async detached(
    ...command: readonly [string, ...string[]]
  ): Promise<{ readonly pid: number; readonly running: RunningProcess }> {
    pids += 1
    const running = await this.host.spawn({
      pid: pid(pids),
      command,
      env: {},
      ...this.#folder(),
      io: null
    })
    return { pid: pids, running }
  }

  /** What control groups this machine has for it. */
  groups(): ReturnType<OpenContainment['groups']['report']> {
    return this.#containment.groups.report()
  }

  /** A contained process has a folder of its own. */
  #folder(): Pick<SpawnRequest, 'cwd' | 'isOwnFolder' | 'sandbox'> {
    const { sandbox } = this
    if (sandbox.containment === 'none') return { cwd: null, sandbox }
    const cwd = join(this.directory, 'work', String(pids))
    mkdirSync(cwd, { recursive: true })
    return { cwd, isOwnFolder: true, sandbox }
  }

  async stop(): Promise<void> {
    await this.host.stop(millis(0))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The far end of an attached process. */
export class Attached {
  readonly pid: number
  readonly running: RunningProcess
  readonly channel: FrameChannel

  constructor(number: number, running: RunningProcess, channel: FrameChannel) {
    this.pid = number
    this.running = running
    this.channel = channel
  }

  send(frame: IoFrame): Promise<void> {
    return this.channel.send(encodeIoFrame(frame))
  }

  /** Frames as they come, the exit last. */
  async *frames(): AsyncGenerator<IoFrame, void, void> {
    for await (const bytes of this.channel.frames) yield decodeIoFrame(bytes)
  }

  /** Closes the input and gathers all that comes. */
  async outcome(): Promise<Outcome> {
    await this.send({ kind: 'stdin-end' })
    return await gather(this.frames())
  }
}

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly exit: { readonly code: number | null; readonly signal: string | null } | null
}

export async function gather(frames: AsyncIterable<IoFrame>): Promise<Outcome> {
  let stdout = ''
  let stderr = ''
  let exit: Outcome['exit'] = null
  for await (const frame of frames) {
    if (exit !== null) throw new Error(`A ${frame.kind} frame after the exit frame`)
    if (frame.kind === 'stdout') stdout += Buffer.from(frame.bytes).toString()
    if (frame.kind === 'stderr') stderr += Buffer.from(frame.bytes).toString()
    if (frame.kind === 'exit') exit = frame.exit
  }
  return { stdout, stderr, exit }
}

/** Whether a process is there and is not a zombie. */
export async function lives(osPid: number): Promise<boolean> {
  const processes = await systemProcesses.scan({ withLeashes: false })
  return processes.some((process) => process.osPid === osPid && !process.isZombie)
}

/** Resolves when a process has ended; the test's own time limit is the limit. */
export async function gone(osPid: number): Promise<void> {
  while (await lives(osPid)) await pause()
}

/** Between two looks at something foreign that has no event. */
export async function pause(): Promise<void> {
  await systemClock.sleep(millis(10))
}

export function isCode(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof WeaverError && error.code === expected
}
