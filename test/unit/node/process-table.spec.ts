import assert from 'node:assert/strict'
import { nodeIdOf } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import type { Json } from '../../../node/api/index.ts'
import { ENDED_ROWS_MAX } from '../../../node/limits.ts'
import { rowJson } from '../../../node/process-row.ts'
import type { StoredRow } from '../../../node/process-row.ts'
import { ProcessTable, PROCESSES_SECTION } from '../../../node/process-table.ts'

const self = nodeIdOf(new Uint8Array(32).fill(1))
const peer = nodeIdOf(new Uint8Array(32).fill(2))

function row(pid: number, over: Partial<StoredRow> = {}): StoredRow {
  return {
    pid,
    name: `p${pid}`,
    kind: 'task',
    runtime: null,
    state: 'running',
    parent: null,
    startedAt: 1000,
    restarts: 0,
    exit: null,
    containment: 'none',
    task: null,
    gpus: [],
    agent: null,
    ...over
  }
}

/** Documents of two nodes; `lost` says since when the other is out of reach. */
function stage(): {
  readonly table: ProcessTable
  readonly documents: Map<NodeId, Record<string, Json>>
  readonly lost: { since: number | null }
} {
  const documents = new Map<NodeId, Record<string, Json>>([
    [self, {}],
    [peer, {}]
  ])
  const lost: { since: number | null } = { since: null }
  const table = new ProcessTable({
    self,
    rows: {
      put: (_, key, value) => {
        documents.set(self, { ...documents.get(self), [key]: value })
      },
      delete: (_, key) => {
        const { [key]: _gone, ...rest } = documents.get(self) ?? {}
        documents.set(self, rest)
      },
      of: (node) => ({ [PROCESSES_SECTION]: documents.get(node) ?? {} }),
      nodes: () => [self, peer]
    },
    nodes: {
      nameOf: (node) => (node === self ? 'laptop' : 'server'),
      lostSince: (node) => (node === self ? null : lost.since),
      sample: (_, pid) => (pid === 1 ? { cpuPercent: 12.5, memoryBytes: 4096 } : null)
    }
  })
  return { table, documents, lost }
}

describe('node/process-table', () => {
  it('shows own rows under the node’s name, with their samples', () => {
    const { table } = stage()
    table.set(row(1))
    const [shown] = table.of(self)
    assert.equal(shown?.gpid, '1@laptop')
    assert.equal(shown?.cpuPercent, 12.5)
    assert.equal(shown?.state, 'running')
  })

  it('a live row of a node out of reach is lost, since when it was last seen; an ended one is not (T2)', () => {
    const { table, documents, lost } = stage()
    documents.set(peer, {
      '1': rowJson(row(1)),
      '2': rowJson(row(2, { state: 'exited' }))
    })
    lost.since = 77
    const [live, ended] = table.of(peer)
    assert.deepEqual([live?.state, live?.lostSince, live?.cpuPercent], ['lost', 77, null])
    assert.deepEqual([ended?.state, ended?.lostSince], ['exited', null])
    lost.since = null
    assert.equal(table.of(peer)[0]?.state, 'running')
  })

  it('keeps every live row, and of ended ones the newest (T3)', () => {
    const { table, documents } = stage()
    table.set(row(1))
    for (let pid = 2; pid <= ENDED_ROWS_MAX + 6; pid++) table.set(row(pid, { state: 'exited' }))
    const pids = Object.keys(documents.get(self) ?? {}).map(Number)
    assert.equal(pids.length, ENDED_ROWS_MAX + 1)
    assert(pids.includes(1))
    assert(!pids.includes(2))
    assert(pids.includes(ENDED_ROWS_MAX + 6))
  })

  it('leaves out what another node wrote that is no row', () => {
    const { table, documents } = stage()
    documents.set(peer, { '1': { pid: -1 }, '2': 'nonsense', '3': rowJson(row(3)) })
    assert.deepEqual(
      table.of(peer).map(({ pid }) => pid),
      [3]
    )
  })

  it('all() is ordered by node, then pid', () => {
    const { table, documents } = stage()
    table.set(row(9))
    table.set(row(4))
    documents.set(peer, { '1': rowJson(row(1)) })
    assert.deepEqual(
      table.all().map(({ gpid }) => gpid),
      ['4@laptop', '9@laptop', '1@server']
    )
  })
})
