// A Redis of the bench's own, with every write synced to disk before it is answered.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'

export interface Redis {
  readonly port: number
  readonly stop: () => Promise<void>
}

/** Null where `redis-server` is not installed. */
export async function startRedis(directory: string): Promise<Redis | null> {
  await mkdir(directory, { recursive: true })
  const port = await freePort()
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '']
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
  const child = spawn('redis-server', [...args, ...durable], {
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const closed = once(child, 'close')
  const isReady = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', () => resolve(false))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Ready to accept connections')) resolve(true)
    })
  })
  if (!isReady) return null
  return {
    port,
    stop: async () => {
      child.kill('SIGKILL')
      await closed
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
