// The agents of one node.
//
// Invariants
//   S1. Among agents that have not ended, names are unique; a name is taken before the first await, so
//       two spawns in one tick cannot both get it.
//   S2. After `close()` no process runs and none will be started.
//   S3. What `spawn`, `stop` and `restart` have resolved for is what the next kernel will find.

import { checkedName } from '../core/index.ts'
import type { Clock, Logger, Prng, Sandbox } from '../core/index.ts'
import { Agent } from './agent.ts'
import type { AgentEvent, AgentView } from './agent.ts'
import { customRuntime } from './custom-runtime.ts'
import {
  AgentNameTakenError,
  AgentNotFoundError,
  AgentsStoppedError,
  AgentsStartingError,
  TooManyAgentsError,
  UnknownRuntimeError
} from './errors.ts'
import { Keeper } from './keeper.ts'
import { AGENTS_ENDED_MAX, AGENTS_MAX, JITTER_STEPS } from './limits.ts'
import type {
  AgentGate,
  AgentStore,
  GpuSource,
  PidSource,
  ProcessHost,
  RestartRule,
  RuntimeAdapter
} from './ports.ts'
import { decideResume } from './resume.ts'

export interface AgentsDeps {
  readonly processes: ProcessHost
  readonly pids: PidSource
  readonly store: AgentStore
  readonly gpus: GpuSource
  readonly gate: AgentGate
  readonly clock: Clock
  readonly prng: Prng
  readonly log: Logger
  /** Told of every change, in order, at once. Must not throw. */
  readonly onEvent: (event: AgentEvent) => void
}

export interface AgentsOptions {
  /** What kinds of agents can be spawned; `custom` alone unless said otherwise. */
  readonly runtimes?: readonly RuntimeAdapter[]
}

export interface AgentSpec {
  readonly name: string
  readonly runtime: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Null: the process host's default. */
  readonly cwd: string | null
  readonly restart: RestartRule
  readonly sandbox: Sandbox
  /** Who asks, as the chain names actors. Also answers for restarts by rule. */
  readonly requester: string
  /** GPUs that it holds from its first start to its end; absent or null: none. */
  readonly gpu?: string | null
  /** What came with the wish of another node to prove it. */
  readonly warrant?: Uint8Array | null
}

export interface RuntimeView {
  readonly name: string
  readonly description: string
}

export interface Agents {
  /**
   * Takes up the agents of the kernel before, once: what is to run is started, one after the other, by and by.
   * GPUs that they hold are theirs when it resolves. Nothing is spawned before.
   * @throws WeaverError `STORE_FAILED`
   */
  resume(): Promise<void>
  /**
   * Resolves when the first process runs. A start that is refused or fails leaves no agent behind.
   * @throws WeaverError `AGENTS_...`, `CORE_INVALID_NAME`, `PROCESS_...`, and whatever the gate throws
   */
  spawn(spec: AgentSpec): Promise<AgentView>
  /** By name, or by pid in digits. Resolves when the whole tree has ended. */
  stop(reference: string): Promise<AgentView>
  /** Ends every agent of one that may have nothing done here any more. */
  disown(requester: string): Promise<void>
  /** Ends what runs, forgets its failures, and starts anew, also an agent that has ended. */
  restart(reference: string): Promise<AgentView>
  find(reference: string): AgentView | null
  /** By pid. The last ended ones are among them. */
  list(): readonly AgentView[]
  runtimes(): readonly RuntimeView[]
  /** Ends every agent until the next kernel, and refuses new ones. May be called twice. */
  close(): Promise<void>
}

export function createAgents(deps: AgentsDeps, options: AgentsOptions = {}): Agents {
  return new AgentTable(deps, options.runtimes ?? [customRuntime])
}

class AgentTable implements Agents {
  readonly #deps: AgentsDeps
  readonly #runtimes: readonly RuntimeAdapter[]
  readonly #namesTaken = new Set<string>()
  #agents: readonly Agent[] = []
  readonly #keeper: Keeper
  #isResumed = false
  #closing: Promise<void> | null = null

  constructor(deps: AgentsDeps, runtimes: readonly RuntimeAdapter[]) {
    this.#keeper = new Keeper(deps)
    // Kept before anybody hears of it, so that whoever waits for it to be kept finds it under way.
    const onEvent = (event: AgentEvent): void => {
      const agent = this.#agents.find((each) => each.pid === event.agent.pid)
      // A first start that is refused leaves nothing.
      if (agent?.hasStarted === true) this.#keeper.note(agent.record())
      deps.onEvent(event)
    }
    this.#deps = { ...deps, onEvent }
    this.#runtimes = runtimes
  }

  async resume(): Promise<void> {
    const { store, clock, prng } = this.#deps
    const records = await store.all()
    let before = 0
    for (const record of records) {
      this.#keeper.found(record)
      const place = { before, chance: prng.below(JITTER_STEPS) }
      const decision = decideResume(record, clock.wall(), place)
      if (decision.kind === 'start') before += 1
      const { pid, name, runtime, restart, requester, sandbox, plan, gpu, warrant } = record
      const told = { pid, name, runtime, restart, requester, sandbox, plan, gpu, warrant }
      const agent = new Agent(this.#deps, told)
      this.#agents = [...this.#agents, agent]
      agent.resume(record, decision)
    }
    this.#isResumed = true
  }

  async spawn(spec: AgentSpec): Promise<AgentView> {
    const name = checkedName(spec.name)
    const runtime = this.#runtimes.find((candidate) => candidate.name === spec.runtime)
    if (runtime === undefined) {
      throw new UnknownRuntimeError(
        spec.runtime,
        this.#runtimes.map((known) => known.name)
      )
    }
    const plan = runtime.plan(spec)
    this.#takeName(name) // Before the first await (S1).
    try {
      const pid = await this.#deps.pids.next()
      if (this.#closing !== null) throw new AgentsStoppedError(name)
      const agent = new Agent(this.#deps, {
        pid,
        name,
        runtime: runtime.name,
        restart: spec.restart,
        sandbox: spec.sandbox,
        requester: spec.requester,
        plan,
        gpu: spec.gpu ?? null,
        warrant: spec.warrant ?? null
      })
      return await this.#begin(agent)
    } finally {
      this.#namesTaken.delete(name)
    }
  }

  async stop(reference: string): Promise<AgentView> {
    return await this.#stopped(this.#agent(reference))
  }

  async disown(requester: string): Promise<void> {
    const disowned = this.#agents.filter((agent) => agent.requester === requester)
    await Promise.all(disowned.map((agent) => this.#stopped(agent)))
  }

  async #stopped(agent: Agent): Promise<AgentView> {
    const view = await agent.stop()
    await this.#keeper.kept(agent.pid) // S3
    return view
  }

  async restart(reference: string): Promise<AgentView> {
    const agent = this.#agent(reference)
    if (this.#closing !== null) throw new AgentsStoppedError(agent.name)
    const view = await agent.restart()
    await this.#keeper.kept(agent.pid) // S3
    return view
  }

  find(reference: string): AgentView | null {
    return this.#lookUp(reference)?.view() ?? null
  }

  list(): readonly AgentView[] {
    return this.#agents.map((agent) => agent.view())
  }

  runtimes(): readonly RuntimeView[] {
    return this.#runtimes.map(({ name, description }) => ({ name, description }))
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#agents.map((agent) => agent.pause())).then(() =>
      this.#keeper.settled()
    )
    return this.#closing
  }

  #takeName(name: string): void {
    if (this.#closing !== null) throw new AgentsStoppedError(name)
    if (!this.#isResumed) throw new AgentsStartingError(name)
    const live = this.#agents.filter((agent) => !agent.hasEnded)
    if (this.#namesTaken.has(name) || live.some((agent) => agent.name === name)) {
      throw new AgentNameTakenError(name)
    }
    if (live.length + this.#namesTaken.size >= AGENTS_MAX) throw new TooManyAgentsError(name)
    this.#namesTaken.add(name)
  }

  async #begin(agent: Agent): Promise<AgentView> {
    // An ended agent of the same name makes room: a name says one thing in `list`.
    const others = this.#agents.filter((other) => other.name !== agent.name)
    const ended = others.filter((other) => other.hasEnded)
    const dropped = ended.slice(0, Math.max(0, ended.length - AGENTS_ENDED_MAX))
    const replaced = this.#agents.filter((other) => other.name === agent.name)
    for (const { pid } of [...dropped, ...replaced]) this.#keeper.forget(pid)
    this.#agents = [...others.filter((other) => !dropped.includes(other)), agent]
    agent.begin()
    try {
      await agent.firstStart
    } catch (error) {
      this.#drop(agent)
      throw error
    }
    try {
      await this.#keeper.kept(agent.pid) // S3
    } catch (error) {
      await agent.stop()
      this.#drop(agent)
      throw error
    }
    return agent.view()
  }

  #drop(agent: Agent): void {
    this.#agents = this.#agents.filter((other) => other !== agent)
    this.#keeper.forget(agent.pid)
  }

  #agent(reference: string): Agent {
    const agent = this.#lookUp(reference)
    if (agent === null) throw new AgentNotFoundError(reference.slice(0, 64))
    return agent
  }

  #lookUp(reference: string): Agent | null {
    const byName = this.#agents.find((agent) => agent.name === reference)
    return byName ?? this.#agents.find((agent) => String(agent.pid) === reference) ?? null
  }
}
