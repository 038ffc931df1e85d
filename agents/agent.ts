// One supervised agent: carries out what life.ts decides.
//
// Invariants
//   A1. One loop at a time starts the process, waits for its end and reports both; it is the only
//       writer of `#process`.
//   A2. What a process left behind has ended before the next one starts.

import { millis, unreachable, WeaverError } from '../core/index.ts'
import type { Clock, Logger, Millis, Pid, Prng, Sandbox, UnixMillis } from '../core/index.ts'
import { NoGpuError } from './errors.ts'
import { endedAgentState, newAgentState, resumedAgentState, stepAgent } from './life.ts'
import type { AgentEffect, AgentInput, AgentPhase, AgentState, Intention } from './life.ts'
import { AGENT_STOP_GRACE_MS, JITTER_STEPS } from './limits.ts'
import type {
  AgentGate,
  AgentRecord,
  ExitStatus,
  GpuLoan,
  GpuSource,
  LaunchPlan,
  ProcessHost,
  RecordStatus,
  RestartRule,
  RunningProcess
} from './ports.ts'
import type { ResumeDecision } from './resume.ts'

export type AgentViewState = 'starting' | 'running' | 'stopping' | 'exited' | 'failed'

/** An agent as others see it. */
export interface AgentView {
  readonly pid: Pid
  readonly name: string
  readonly runtime: string
  readonly restart: RestartRule
  readonly command: readonly string[]
  readonly cwd: string | null
  /** Of the variables that it was given: never a value. */
  readonly envNames: readonly string[]
  /** As it was asked for; null: none. */
  readonly gpu: string | null
  readonly sandbox: Sandbox
  /** Who asked for it, as the chain names actors. */
  readonly requester: string
  readonly state: AgentViewState
  /** Of the present process, or the last one. */
  readonly osPid: number | null
  readonly startedAt: UnixMillis
  readonly restarts: number
  /** How the last process ended; null while none has. */
  readonly exit: ExitStatus | null
  /** Why it failed, or what it waits for; null otherwise. */
  readonly reason: string | null
  /** Places, among this node's GPUs, of those that it holds. */
  readonly gpus: readonly number[]
}

/**
 * `started` and `ended` are about one process of the agent; `resumed`, `abandoned` about an agent of an earlier
 * kernel, which is to be started or is not any more; `changed` about anything else.
 */
export interface AgentEvent {
  readonly kind: 'started' | 'ended' | 'changed' | 'resumed' | 'abandoned'
  readonly agent: AgentView
}

export interface AgentDeps {
  readonly processes: ProcessHost
  readonly gpus: GpuSource
  readonly gate: AgentGate
  readonly clock: Clock
  readonly prng: Prng
  readonly log: Logger
  readonly onEvent: (event: AgentEvent) => void
}

export interface AgentOptions {
  readonly pid: Pid
  readonly name: string
  readonly runtime: string
  readonly restart: RestartRule
  readonly requester: string
  readonly sandbox: Sandbox
  readonly plan: LaunchPlan
  readonly gpu: string | null
  readonly warrant: Uint8Array | null
}

interface Waiter {
  readonly holds: (state: AgentState) => boolean
  readonly resolve: (view: AgentView) => void
}

export class Agent {
  /** Settles when the first process runs, or could not be started. */
  readonly firstStart: Promise<void>
  readonly #deps: AgentDeps
  readonly #options: AgentOptions
  readonly #firstStart = Promise.withResolvers<void>()
  #state: AgentState
  #process: RunningProcess | null = null
  #osPid: number | null = null
  #startedAt: UnixMillis
  #hasStarted = false
  #exit: ExitStatus | null = null
  #backoff: AbortController | null = null
  /** Ends the readers of its output; null once it has ended. */
  #releaseOutput: (() => void) | null = null
  #waiters: readonly Waiter[] = []
  #gpus: GpuLoan | null = null
  /** Until it has been started once by this kernel. */
  #isResumed = false
  #losses = 0
  /** The approval that it waits for. */
  #heldBy: string | null = null

  constructor(deps: AgentDeps, options: AgentOptions) {
    this.#deps = deps
    this.#options = options
    this.#state = newAgentState(options.restart)
    this.#startedAt = deps.clock.wall()
    this.firstStart = this.#firstStart.promise
  }

  get pid(): Pid {
    return this.#options.pid
  }

  get requester(): string {
    return this.#options.requester
  }

  get name(): string {
    return this.#options.name
  }

  /** Whether there was ever a process of it. */
  get hasStarted(): boolean {
    return this.#hasStarted
  }

  get hasEnded(): boolean {
    return hasEnded(this.#state.phase)
  }

  view(): AgentView {
    const { phase } = this.#state
    const { pid, name, runtime, restart, plan, sandbox, requester, gpu } = this.#options
    const gpus = this.#gpus?.devices.map(({ index }) => index) ?? []
    return {
      pid,
      name,
      runtime,
      restart,
      command: plan.command,
      cwd: plan.cwd,
      envNames: Object.keys(plan.env).toSorted(),
      gpu,
      sandbox,
      requester,
      state: phase.kind === 'waiting' ? 'starting' : phase.kind,
      osPid: this.#osPid,
      startedAt: this.#startedAt,
      restarts: this.#state.restarts,
      exit: this.#exit,
      reason: phase.kind === 'failed' || phase.kind === 'waiting' ? phase.why : null,
      gpus
    }
  }

  /** What the next kernel is to know of it. */
  record(): AgentRecord {
    const { phase, restarts } = this.#state
    return {
      ...this.#options,
      status: statusOf(phase),
      restarts,
      startedAt: this.#startedAt,
      exit: this.#exit,
      why: phase.kind === 'failed' ? phase.why : null,
      losses: this.#losses
    }
  }

  /** To be called once. */
  begin(): void {
    this.#holdOutput()
    this.#deps.onEvent({ kind: 'changed', agent: this.view() })
    this.#carryOut({ kind: 'start' })
  }

  /** In the place of `begin`, for one of an earlier kernel: its GPUs are its own before anybody is asked. */
  resume(record: AgentRecord, decision: ResumeDecision): void {
    const { clock } = this.#deps
    this.#firstStart.promise.catch(() => {}) // Nobody waits for it: its row says what became of it.
    this.#hasStarted = true
    this.#isResumed = true
    this.#exit = record.exit
    this.#startedAt = record.startedAt
    if (decision.kind === 'start') {
      const { state, effect } = resumedAgentState(record, decision.delayMs)
      this.#state = state
      this.#losses = decision.losses
      this.#startedAt = clock.wall() // If this start kills the kernel, it counts.
      this.#gpus = this.#lent()
      this.#holdOutput()
      this.#deps.onEvent({ kind: 'resumed', agent: this.view() })
      this.#carryOut(effect)
      return
    }
    const isGivenUp = decision.kind === 'given-up'
    this.#state = endedAgentState(record, isGivenUp ? decision.why : record.why)
    this.#losses = isGivenUp ? decision.losses : record.losses
    this.#deps.onEvent({ kind: isGivenUp ? 'abandoned' : 'changed', agent: this.view() })
  }

  /** As `stop`; the next kernel starts it again. */
  pause(): Promise<AgentView> {
    return this.#ask('pause', (state) => hasEnded(state.phase))
  }

  /** Resolves when it has ended for good, whatever ended it. */
  stop(): Promise<AgentView> {
    return this.#ask('stop', (state) => hasEnded(state.phase))
  }

  /** Resolves when a new process runs, or when none could be started. */
  restart(): Promise<AgentView> {
    const before = this.#state.restarts
    this.#losses = 0 // Whoever asks for it has looked.
    return this.#ask('restart', ({ phase, restarts }) => {
      return hasEnded(phase) || (restarts > before && phase.kind !== 'starting')
    })
  }

  #ask(intention: Intention, holds: (state: AgentState) => boolean): Promise<AgentView> {
    const { promise, resolve } = Promise.withResolvers<AgentView>()
    this.#feed({ kind: 'asked', intention })
    if (holds(this.#state)) resolve(this.view())
    else this.#waiters = [...this.#waiters, { holds, resolve }]
    return promise
  }

  #feed(input: AgentInput): void {
    const before = this.#state
    const step = stepAgent(before, input, this.#deps.clock.now())
    this.#state = step.state
    if (before.phase.kind === 'waiting' && step.state.phase.kind !== 'waiting') {
      this.#backoff?.abort()
      this.#backoff = null
    }
    this.#holdOutput()
    if (this.hasEnded) this.#freeGpus()
    if (step.state !== before) {
      const kind = input.kind === 'started' || input.kind === 'ended' ? input.kind : 'changed'
      this.#deps.onEvent({ kind, agent: this.view() })
    }
    const ready = this.#waiters.filter((waiter) => waiter.holds(this.#state))
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter))
    for (const waiter of ready) waiter.resolve(this.view())
    this.#carryOut(step.effect)
  }

  /** Over restarts, its output is one stream. */
  #holdOutput(): void {
    if (this.hasEnded) {
      this.#releaseOutput?.()
      this.#releaseOutput = null
    } else {
      this.#releaseOutput ??= this.#deps.processes.holdOutput?.(this.pid) ?? null
    }
  }

  #carryOut(effect: AgentEffect): void {
    switch (effect.kind) {
      case 'none':
        return
      case 'start':
        this.#detach(this.#run())
        return
      case 'end':
        // `#run` sees the exit and reports it.
        if (this.#process !== null) this.#detach(this.#process.stop(AGENT_STOP_GRACE_MS))
        return
      case 'wait':
        this.#detach(this.#wait(effect.delayMs))
    }
  }

  /** One process from its permission to its end (A1). */
  async #run(): Promise<void> {
    const { clock, gate, log, processes } = this.#deps
    const { pid, requester, plan, sandbox, ...rest } = this.#options
    const { restarts } = this.#state
    try {
      const isResumed = this.#isResumed
      const loan = this.#borrowed() // Before the first await: nobody comes between.
      const asked = { ...rest, ...plan, pid, requester, sandbox, restarts, isResumed }
      await gate.authorizeSpawn(asked)
      const env = { ...plan.env, ...loan?.env }
      const given = loan === null ? {} : { gpus: loan.devices }
      this.#process = await processes.spawn({
        ...plan,
        ...given,
        env,
        pid,
        io: null,
        sandbox,
        requester
      })
    } catch (error) {
      this.#startFailed(error)
      return
    }
    this.#isResumed = false
    this.#heldBy = null
    const process = this.#process
    this.#osPid = process.osPid
    this.#startedAt = clock.wall()
    this.#hasStarted = true
    this.#exit = null
    this.#feed({ kind: 'started' })
    this.#firstStart.resolve()
    const { code, signal } = await process.exited
    const exit = { code, signal }
    await process.stop(millis(0)) // A2
    this.#process = null
    this.#exit = exit
    log.debug('An agent process ended', { agent: this.name, code: exit.code, signal: exit.signal })
    this.#feed({ kind: 'ended', exit, chance: this.#chance() })
  }

  #startFailed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    const isRetried = error instanceof WeaverError && error.retry !== 'never'
    const isFinal = !this.#hasStarted || !isRetried || approvalOf(error) !== null
    const approval = this.#hasStarted ? approvalOf(error) : null
    // One that has run out, or was used for something else, is not asked for for ever.
    if (approval !== null && (this.#heldBy === null || this.#heldBy === approval)) {
      this.#heldBy = approval
      this.#feed({ kind: 'start-held', why })
      return
    }
    this.#deps.log.warn('An agent could not be started', { agent: this.name, why })
    this.#firstStart.reject(error)
    this.#feed({ kind: 'start-failed', why, isFinal, chance: this.#chance() })
  }

  async #wait(delayMs: Millis): Promise<void> {
    const backoff = new AbortController()
    this.#backoff = backoff
    try {
      await this.#deps.clock.sleep(delayMs, backoff.signal)
    } catch (error) {
      if (backoff.signal.aborted) return // Somebody asked for a stop or a restart meanwhile.
      throw error
    }
    this.#feed({ kind: 'backoff-over' })
  }

  /** @throws WeaverError `AGENTS_NO_GPU` */
  #borrowed(): GpuLoan | null {
    const { name, gpu } = this.#options
    if (gpu === null || this.#gpus !== null) return this.#gpus
    const loan = this.#deps.gpus.take(gpu)
    if (typeof loan === 'string') throw new NoGpuError(name, gpu, loan)
    this.#gpus = loan
    return loan
  }

  /** As `borrowed`; null where it has to try again later. */
  #lent(): GpuLoan | null {
    try {
      return this.#borrowed()
    } catch {
      return null // Its start says why.
    }
  }

  #freeGpus(): void {
    this.#gpus?.free()
    this.#gpus = null
  }

  #chance(): number {
    return this.#deps.prng.below(JITTER_STEPS)
  }

  #detach(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#deps.log.error('An agent lost its supervision', {
        agent: this.name,
        error: String(error)
      })
    })
  }
}

/** The approval that an act waits for. */
function approvalOf(error: unknown): string | null {
  const approval = error instanceof WeaverError ? error.detail['approval'] : undefined
  return typeof approval === 'string' ? approval : null
}

function statusOf(phase: AgentPhase): RecordStatus {
  switch (phase.kind) {
    case 'starting':
    case 'stopping':
      // Before it has ended: a stop that a crash of the kernel cuts short was still a stop.
      return phase.intention === 'stop' ? 'ended' : 'running'
    case 'running':
    case 'waiting':
      return 'running'
    case 'exited':
      return phase.isPaused ? 'paused' : 'ended'
    case 'failed':
      return phase.isForGood ? 'ended' : 'paused'
    default:
      return unreachable(phase)
  }
}

function hasEnded(phase: AgentPhase): boolean {
  return phase.kind === 'exited' || phase.kind === 'failed'
}
