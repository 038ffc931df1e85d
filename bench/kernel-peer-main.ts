// The other side of the delegation and row benches, in a process of its own.
//   mesh INVITE   joins, and answers the service `bench`: `spawn` runs `true`, `now` tells the time
//   bullmq PORT   a BullMQ worker that runs `true` for each job

import process from 'node:process'
import { Worker } from 'bullmq'
import type { PeerMessage } from './peers/child.ts'
import { bareMesh, untilConnected } from './peers/meshes.ts'
import { openSpawner } from './peers/spawner.ts'
import type { Spawner } from './peers/spawner.ts'

const [, , role, argument = ''] = process.argv

function tell(message: PeerMessage): void {
  process.send?.(message)
}

async function meshSide(spawner: Spawner): Promise<() => Promise<void>> {
  const { mesh, stop } = bareMesh('server')
  mesh.serve({
    name: 'bench',
    serve: async ({ method }) => {
      if (method === 'spawn') await spawner.run()
      return String(process.hrtime.bigint())
    }
  })
  mesh.rows.onChange((node) => {
    const at = process.hrtime.bigint()
    const value = mesh.rows.of(node)['bench']?.['row']
    if (typeof value === 'number') tell({ kind: 'row', value, atNs: String(at) })
  })
  await mesh.start()
  await mesh.join(argument, new AbortController().signal)
  await untilConnected(mesh)
  tell({ kind: 'ready', nodeId: mesh.nodeId })
  return stop
}

async function bullmqSide(spawner: Spawner): Promise<() => Promise<void>> {
  const connection = { host: '127.0.0.1', port: Number(argument), maxRetriesPerRequest: null }
  const worker = new Worker('bench', () => spawner.run(), { connection, concurrency: 32 })
  await worker.waitUntilReady()
  tell({ kind: 'ready', nodeId: '' })
  return () => worker.close(true)
}

const spawner = await openSpawner()
const close = await (role === 'mesh' ? meshSide(spawner) : bullmqSide(spawner))
const stopAsked = Promise.withResolvers<void>()
process.once('message', () => stopAsked.resolve())
process.once('disconnect', () => stopAsked.resolve()) // Its bench is gone.
await stopAsked.promise
await close()
await spawner.stop()
process.exit(0)
