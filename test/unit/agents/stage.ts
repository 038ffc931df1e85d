import { agentStore, createAgents } from '../../../agents/index.ts'
import type {
  AgentEvent,
  Agents,
  AgentSpawnAsk,
  AgentSpec,
  GpuSource
} from '../../../agents/index.ts'
import { DEFAULT_SANDBOX, millis, pid, WeaverError } from '../../../core/index.ts'
import type { Pid } from '../../../core/index.ts'
import { FakeProcessHost } from '../../doubles/fake-process-host.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

export const ticker: AgentSpec = {
  name: 'ticker',
  runtime: 'custom',
  command: ['sh', '-c', 'date'],
  env: { A: 'b' },
  cwd: null,
  restart: 'permanent',
  sandbox: DEFAULT_SANDBOX,
  requester: 'user:local'
}

/** The agents of one kernel, over doubles. */
export class Stage {
  readonly clock: VirtualClock = new VirtualClock()
  readonly processes: FakeProcessHost = new FakeProcessHost()
  readonly events: AgentEvent[] = []
  readonly asks: AgentSpawnAsk[] = []
  readonly agents: Agents
  readonly store: MemoryStore
  refusal: WeaverError | null = null
  /** Lent GPUs of this node's two. */
  readonly lent: Set<number> = new Set()
  readonly gpus: GpuSource = {
    take: (request) => {
      const index = [0, 1].find((each) => !this.lent.has(each))
      if (request !== '1' || index === undefined) return 'none is free'
      this.lent.add(index)
      return {
        devices: [{ index, vendor: 'nvidia', vendorIndex: index }],
        env: { CUDA_VISIBLE_DEVICES: String(index) },
        free: () => void this.lent.delete(index)
      }
    }
  }
  #pid = 0

  constructor(store: MemoryStore) {
    this.store = store
    this.agents = createAgents({
      processes: this.processes,
      store: agentStore({ store, log: silentLog }),
      gpus: this.gpus,
      pids: { next: (): Promise<Pid> => Promise.resolve(pid(++this.#pid)) },
      gate: {
        authorizeSpawn: async (ask) => {
          this.asks.push(ask)
          if (this.refusal !== null) throw this.refusal
        }
      },
      clock: this.clock,
      prng: new SeededPrng(1),
      log: silentLog,
      onEvent: (event) => this.events.push(event)
    })
  }

  /** A kernel that has taken up what `before`, on the same home, left. */
  static async open(before: Stage | null = null): Promise<Stage> {
    const stage = new Stage(before?.store ?? new MemoryStore())
    if (before !== null) {
      stage.#pid = before.#pid
      stage.clock.advanceTo(before.clock.now())
    }
    await stage.agents.resume()
    await settle()
    return stage
  }

  async advance(ms: number): Promise<void> {
    this.clock.advanceTo(millis(this.clock.now() + ms))
    await settle()
  }

  /** Ends the newest process and waits until the agent has seen it. */
  async crash(code: number): Promise<void> {
    this.processes.started.at(-1)?.end({ code, signal: null })
    await settle()
  }
}

/** Lets everything that needs no time happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

export function isCode(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof WeaverError && error.code === expected
}
