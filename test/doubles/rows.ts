import type { Agent, ProcessRow } from '../../node/api/index.ts'

export const ROW: ProcessRow = {
  pid: 4,
  gpid: '4@laptop',
  node: 'laptop',
  name: 'ticker',
  kind: 'agent',
  runtime: 'custom',
  state: 'running',
  parent: null,
  startedAt: 1_700_000_000_000,
  cpuPercent: 2.4,
  memoryBytes: 181_000_000,
  restarts: 1,
  exit: null,
  containment: 'os',
  task: null,
  gpus: [],
  lostSince: null
}

const DATE = ['sh', '-c', 'date']
export const AGENT: Agent = {
  ...ROW,
  restart: 'permanent',
  command: DATE,
  grants: [],
  role: null,
  reason: null
}
