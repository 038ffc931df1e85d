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
let reported = { sequence: 0, cpu: process.cpuUsage() }

/** `<sequence> <milliseconds> and what a row of a process would say`. */
function text(dueAt: number): string {
  sequence += 1
  return `${sequence} ${sharedClock(dueAt)} ${'running, 2 %, 181 MB, a command of some length '.repeat(3)}`
}

/** Reads no more of the text than it needs: this runs for each row of a changed document. @returns the number of the change */
function note(from: NodeId, value: unknown): number {
  const [count = '', sentAt = '0'] = typeof value === 'string' ? value.split(' ', 2) : []
  if (Number(count) > (newest.get(from) ?? 0)) {
    seen.push([`${from} ${count}`, sharedClock(performance.now()) - Number(sentAt)])
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

function tell(message: RowsReport): void {
  process.send?.(message)
}

/** A time of `performance`, on the monotonic clock that all processes share. */
function sharedClock(at: number): number {
  return at - performance.now() + Number(process.hrtime.bigint()) / 1e6
}

/**
 * Changes come one by one, as processes make them, each member out of step with the others, and whether or
 * not this member keeps up: what it is late with counts from when it was due.
 */
async function write(change: (value: string) => void): Promise<void> {
  const startedAt = performance.now() + Math.random() * INTERVAL_MS
  const count = ROWS_ROUND_MS / INTERVAL_MS
  for (let made = 0; made < count; made++) {
    const dueAt = startedAt + made * INTERVAL_MS
    if (dueAt > performance.now()) await delay(dueAt - performance.now())
    change(text(dueAt))
  }
}

function report(): void {
  const { user, system } = process.cpuUsage(reported.cpu)
  const made = sequence - reported.sequence
  reported = { sequence, cpu: process.cpuUsage() }
  tell({ kind: 'seen', made, cpuMs: (user + system) / 1000, seen: seen.splice(0) })
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
    report()
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
