// One of the members of the bench mesh-rows: NAME [INVITE]. Without an invite it founds the mesh.

import process from 'node:process'
import type { NodeId } from '../core/index.ts'
import { ROWS_CHANGES_PER_SECOND, ROWS_MEMBERS, ROWS_ROUND_MS } from './mesh-rows.ts'
import type { RowsOrder, RowsReport } from './mesh-rows.ts'
import { bareMesh, inviteLine } from './peers/meshes.ts'

const [, , name = '', invite] = process.argv
/** As many rows as a busy node has. */
const KEYS = 50
const INTERVAL_MS = (1000 * ROWS_MEMBERS) / ROWS_CHANGES_PER_SECOND
const { mesh } = bareMesh(name)
const seen: [key: string, latencyMs: number][] = []
const newest = new Map<NodeId, number>()
let sequence = 0

/** `<sequence> <nanoseconds> and what a row of a process would say`. */
function text(): string {
  sequence += 1
  return `${sequence} ${process.hrtime.bigint()} ${'running, 2 %, 181 MB, a command of some length '.repeat(3)}`
}

/** @returns the number of the change */
function note(from: NodeId, value: unknown): number {
  const [count = '', sentAt = '0'] = typeof value === 'string' ? value.split(' ') : []
  if (Number(count) > (newest.get(from) ?? 0)) {
    seen.push([`${from} ${count}`, Number(process.hrtime.bigint() - BigInt(sentAt)) / 1e6])
  }
  return Number(count)
}

mesh.rows.onChange((node) => {
  if (node === mesh.nodeId) return
  const counts = Object.values(mesh.rows.of(node)['bench'] ?? {}).map((value) => note(node, value))
  newest.set(node, Math.max(newest.get(node) ?? 0, ...counts))
})
mesh.serve({
  name: 'bench',
  serve: async ({ peer, body }) => {
    note(peer, body)
    return null
  }
})

function tell(report: RowsReport): void {
  process.send?.(report)
}

/** Changes come one by one, as processes make them, each member out of step with the others. */
async function write(change: (value: string) => void): Promise<void> {
  await delay(Math.random() * INTERVAL_MS)
  const startedAt = performance.now()
  for (let count = 1; performance.now() - startedAt < ROWS_ROUND_MS; count++) {
    change(text())
    await delay(Math.max(0, startedAt + count * INTERVAL_MS - performance.now()))
  }
}

function delay(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration))
}

async function connected(): Promise<void> {
  while (mesh.peers().filter(({ state }) => state === 'alive').length < ROWS_MEMBERS - 1) {
    await delay(50)
  }
}

async function obey(order: RowsOrder): Promise<void> {
  if (order === 'connect') {
    await connected()
    tell({ kind: 'connected' })
  } else if (order === 'rows') {
    await write((value) => mesh.rows.put('bench', `row ${sequence % KEYS}`, value))
  } else if (order === 'bare') {
    const others = mesh.members().filter(({ nodeId }) => nodeId !== mesh.nodeId)
    await write((value) => {
      for (const { nodeId } of others) mesh.rpc.notify(nodeId, 'bench', 'text', value)
    })
  } else {
    tell({ kind: 'seen', seen: seen.splice(0) })
  }
}

process.on('message', (order: RowsOrder) => void obey(order))
process.on('disconnect', () => process.exit())
await mesh.start()
if (invite === undefined) await mesh.found()
else await mesh.join(invite, new AbortController().signal)
const invites: string[] = []
if (invite === undefined) {
  for (let count = 1; count < ROWS_MEMBERS; count++) invites.push(await inviteLine(mesh))
}
tell({ kind: 'ready', invites })
