// One supervised agent: carries out what life.ts decides.
//
// Invariants
//   A1. One loop at a time starts the process, waits for its end and reports both; it is the only
//       writer of `#process`.
//   A2. What a process left behind has ended before the next one starts.

import { millis, WeaverError } from '../core/index.ts'
import type { Clock, Logger, Millis, Pid, Prng, Sandbox, UnixMillis } from '../core/index.ts'
import { newAgentState, stepAgent } from './life.ts'
import type { AgentEffect, AgentInput, AgentPhase, AgentState, Intention } from './life.ts'
import { AGENT_STOP_GRACE_MS, JITTER_STEPS } from './limits.ts'
import type { AgentGate, ExitStatus, LaunchPlan, ProcessHost, RunningProcess } from './ports.ts'
import type { RestartRule } from './restart.ts'

export type AgentViewState = 'starting' | 'running' | 'stopping' | 'exited' | 'failed'

/** An agent as others see it. */
export interface AgentView {
  readonly pid: Pid
  readonly name: string
  readonly runtime: string
  readonly restart: RestartRule
  readonly command: readonly string[]
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
  /** Why it failed; null otherwise. */
  readonly reason: string | null
}

/** `started` and `ended` are about one process of the agent, `changed` about anything else. */
export interface AgentEvent {
  readonly kind: 'started' | 'ended' | 'changed'
  readonly agent: AgentView
}

export interface AgentDeps {
  readonly processes: ProcessHost
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

  get hasEnded(): boolean {
    return hasEnded(this.#state.phase)
  }

  view(): AgentView {
    const { phase } = this.#state
    const { pid, name, runtime, restart, plan, sandbox, requester } = this.#options
    return {
      pid,
      name,
      runtime,
      restart,
      command: plan.command,
      sandbox,
      requester,
      state: phase.kind === 'waiting' ? 'starting' : phase.kind,
      osPid: this.#osPid,
      startedAt: this.#startedAt,
      restarts: this.#state.restarts,
      exit: this.#exit,
      reason: phase.kind === 'failed' ? phase.why : null
    }
  }

  /** To be called once. */
  begin(): void {
    this.#holdOutput()
    this.#deps.onEvent({ kind: 'changed', agent: this.view() })
    this.#carryOut({ kind: 'start' })
  }

  /** Resolves when it has ended for good, whatever ended it. */
  stop(): Promise<AgentView> {
    return this.#ask('stop', (state) => hasEnded(state.phase))
  }

  /** Resolves when a new process runs, or when none could be started. */
  restart(): Promise<AgentView> {
    const before = this.#state.restarts
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
    const { pid, name, runtime, requester, plan, sandbox } = this.#options
    const { restarts } = this.#state
    try {
      const { command, env, cwd } = plan
      await gate.authorizeSpawn({
        requester,
        pid,
        name,
        runtime,
        command,
        env,
        cwd,
        sandbox,
        restarts
      })
      this.#process = await processes.spawn({ ...plan, pid, io: null, sandbox, requester })
    } catch (error) {
      this.#startFailed(error)
      return
    }
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
    log.debug('An agent process ended', { agent: name, code: exit.code, signal: exit.signal })
    this.#feed({ kind: 'ended', exit, chance: this.#chance() })
  }

  #startFailed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    const isFinal = !this.#hasStarted || !(error instanceof WeaverError) || error.retry === 'never'
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

function hasEnded(phase: AgentPhase): boolean {
  return phase.kind === 'exited' || phase.kind === 'failed'
}
