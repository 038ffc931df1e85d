// Just enough of the NATS client protocol for request and reply: https://docs.nats.io/reference/nats-protocols.

import { connect } from 'node:net'
import type { Socket } from 'node:net'

type Listener = (payload: Buffer, replyTo: string | null) => void

export class NatsClient {
  readonly #socket: Socket
  readonly #listeners = new Map<string, Listener>()
  #rest = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
  }

  static async open(port: number): Promise<NatsClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    socket.write('CONNECT {"verbose":false}\r\n')
    return new NatsClient(socket)
  }

  subscribe(subject: string, listener: Listener): void {
    const id = String(this.#listeners.size + 1)
    this.#listeners.set(id, listener)
    this.#socket.write(`SUB ${subject} ${id}\r\n`)
  }

  publish(subject: string, payload: Uint8Array, replyTo = ''): void {
    const head = `PUB ${subject} ${replyTo}${replyTo === '' ? '' : ' '}${payload.length}\r\n`
    this.#socket.write(Buffer.concat([Buffer.from(head), payload, Buffer.from('\r\n')]))
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(bytes: Buffer): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    for (;;) {
      const end = rest.indexOf('\r\n')
      if (end < 0) break
      const [word, , id, ...more] = rest.toString('latin1', 0, end).split(' ')
      if (word === 'PING') this.#socket.write('PONG\r\n')
      let next = end + 2
      if (word === 'MSG') {
        const size = Number(more.at(-1))
        if (rest.length < next + size + 2) break
        const payload = rest.subarray(next, next + size)
        this.#listeners.get(id ?? '')?.(payload, more.length > 1 ? (more[0] ?? null) : null)
        next += size + 2
      }
      rest = rest.subarray(next)
    }
    this.#rest = Buffer.from(rest)
  }
}
