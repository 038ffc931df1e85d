// A process of its own that answers `GET /BYTES` with so many bytes. Says its port to who started it.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

export interface HttpServer {
  readonly port: number
  readonly stop: () => Promise<void>
}

const own = fileURLToPath(import.meta.url)

export async function startHttpServer(): Promise<HttpServer> {
  const child = fork(own, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  const [port] = await once(child, 'message')
  return {
    port: Number(port),
    stop: async () => {
      child.kill('SIGKILL')
      await ended
    }
  }
}

const PIECE = Buffer.alloc(64 * 1024)

function answer(response: ServerResponse, bytes: number): void {
  let left = bytes
  const write = (): void => {
    while (left > 0) {
      const piece = PIECE.subarray(0, Math.min(left, PIECE.length))
      left -= piece.length
      if (response.write(piece)) continue
      response.once('drain', write)
      return
    }
    response.end()
  }
  response.writeHead(200, { 'content-length': bytes })
  write()
}

if (process.argv[1] === own) {
  const server = createServer((request, response) => {
    answer(response, Number(/^\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0))
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    process.send?.(typeof address === 'object' ? address?.port : 0)
  })
  process.once('disconnect', () => process.exit(0))
}
