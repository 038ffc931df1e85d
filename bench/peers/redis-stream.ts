// A Redis stream over a plain socket: pipelined `XADD`s, answered in order.

import { once } from 'node:events'
import { connect } from 'node:net'

export interface RedisStream {
  /** Resolves when the entry is answered, which `appendfsync always` does after the sync. */
  add(body: string): Promise<void>
  close(): void
}

export async function openRedisStream(port: number): Promise<RedisStream> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const waiting: PromiseWithResolvers<void>[] = []
  let text = ''
  let isBodyNext = false
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\r\n'); end !== -1; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 2)
      // An id comes as a bulk string: its length, then itself.
      if (!isBodyNext && line.startsWith('$')) isBodyNext = true
      else {
        isBodyNext = false
        const asked = waiting.shift()
        if (line.startsWith('-')) asked?.reject(new Error(line))
        else asked?.resolve()
      }
    }
  })
  let batch: string[] = []
  return {
    add: (body) => {
      const answer = Promise.withResolvers<void>()
      waiting.push(answer)
      batch.push(command(['XADD', 'lane', '*', 'body', body]))
      if (batch.length === 1) {
        queueMicrotask(() => {
          socket.write(batch.join(''))
          batch = []
        })
      }
      return answer.promise
    },
    close: () => socket.destroy()
  }
}

function command(parts: readonly string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`
}
