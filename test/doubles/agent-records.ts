import type { AgentRecord } from '../../agents/index.ts'
import { DEFAULT_SANDBOX, pid, unixMillis } from '../../core/index.ts'

export function testAgent(change: Partial<AgentRecord> = {}): AgentRecord {
  return {
    pid: pid(1),
    name: 'ticker',
    runtime: 'custom',
    restart: 'permanent',
    requester: 'user:local',
    sandbox: DEFAULT_SANDBOX,
    plan: { command: ['sh', '-c', 'date'], env: { A: 'b' }, cwd: null },
    gpu: null,
    warrant: null,
    status: 'running',
    restarts: 0,
    startedAt: unixMillis(1_800_000_000_000),
    exit: null,
    why: null,
    losses: 0,
    ...change
  }
}
