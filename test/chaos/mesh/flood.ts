// Floods of one kernel: what a stranger and what a hostile member can throw at its port.

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Cbor, MeshId } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { Exchange } from '../../../mesh/exchange.ts'
import { Libp2pByteStream } from '../../../mesh/libp2p-stream.ts'
import { greet, helloProtocol } from '../../../mesh/membership/hello.ts'
import { serviceProtocol } from '../../../mesh/protocols.ts'
import { Deadlines } from '../../../mesh/rpc/deadlines.ts'
import { DATA, encodeFrames, OPEN } from '../../../mesh/rpc/frame.ts'
import { encodeRequest } from '../../../mesh/rpc/request.ts'
import { Server } from '../../../mesh/rpc/server.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import type { HostilePeer } from './hostile-peer.ts'

const MULTISTREAM_NOISE = '\u0013/multistream/1.0.0\n\u0007/noise\n'

/** Connections that never come to anything, and how long the kernel kept each. */
export class StalledSockets {
  readonly #sockets: Socket[] = []
  readonly keptMs: number[] = []
  #open = 0

  /** Connects `count` times; each says `says` and nothing more. */
  constructor(port: number, count: number, says: Uint8Array | string) {
    for (let made = 0; made < count; made += 1) {
      const began = performance.now()
      const socket = connect(port, '127.0.0.1', () => socket.write(says))
      this.#open += 1
      socket.on('error', () => undefined)
      socket.on('data', () => undefined)
      socket.once('close', () => {
        this.#open -= 1
        this.keptMs.push(performance.now() - began)
      })
      this.#sockets.push(socket)
    }
  }

  get open(): number {
    return this.#open
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** In turn: silence, half a handshake, and bytes that are none. */
export function stalledSockets(port: number, count: number): readonly StalledSockets[] {
  const each = Math.ceil(count / 3)
  return ['', MULTISTREAM_NOISE, randomBytes(256 * 1024)].map(
    (says) => new StalledSockets(port, each, says)
  )
}

/** What a flood came to. */
export interface Asked {
  readonly requests: number
  readonly bytes: number
}

/** A member with a libp2p of its own, whose limits it has taken out. */
export class LimitlessMember {
  readonly #host: Libp2p
  readonly #peer: HostilePeer
  readonly #streams: Stream[] = []
  #connection: Connection | null = null
  /** Why streams were refused. */
  readonly refusals: Set<string> = new Set<string>()

  private constructor(host: Libp2p, peer: HostilePeer) {
    this.#host = host
    this.#peer = peer
  }

  /** `peer` has joined; its own network is stopped, so that there is one of this key. */
  static async start(peer: HostilePeer, seed: Uint8Array): Promise<LimitlessMember> {
    const host = await createLibp2p({
      privateKey: await generateKeyPairFromSeed('Ed25519', seed),
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [
        yamux({ maxOutboundStreams: 100_000, maxInboundStreams: 100_000, enableKeepAlive: false })
      ],
      connectionMonitor: { enabled: false }
    })
    return new LimitlessMember(host, peer)
  }

  get isConnected(): boolean {
    return this.#connection?.status === 'open'
  }

  /** Connects, and says hello as it should be said. One that answers pulses is not cut for silence. */
  async connect(address: string, answersPulses: boolean = false): Promise<void> {
    this.#connection = await this.#host.dial(multiaddr(address))
    const { mesh } = this.#peer
    if (mesh === null) throw new Error('not in a mesh')
    if (answersPulses) await this.#answerPulses(mesh)
    const stream = await this.#connection.newStream(helloProtocol(mesh))
    const exchange = new Exchange(new Libp2pByteStream(stream))
    await greet(exchange, this.#peer.hello(), async () => null)
  }

  async #answerPulses(mesh: MeshId): Promise<void> {
    const service = { name: 'mesh', serve: async (): Promise<null> => null }
    const deadlines = new Deadlines(systemClock)
    const deps = { service, deadlines, log: silentLog, onClosed: () => undefined }
    await this.#host.handle(serviceProtocol(mesh, 'mesh'), (stream) => {
      void new Server(deps, { peer: this.#peer.id }).run(new Libp2pByteStream(stream))
    })
  }

  /** Opens streams and leaves them open. Resolves to how many were opened. */
  async openStreams(protocol: string, count: number): Promise<number> {
    let opened = 0
    const one = async (): Promise<void> => {
      try {
        const stream = await this.#connection?.newStream(protocol, {
          maxOutboundStreams: 100_000,
          signal: AbortSignal.timeout(10_000)
        })
        if (stream !== undefined) this.#streams.push(stream)
        opened += 1
      } catch (error) {
        this.refusals.add(
          error instanceof Error ? `${error.name}: ${error.message}` : String(error)
        )
      }
    }
    for (let made = 0; made < count && this.isConnected; made += 100) {
      await Promise.all(Array.from({ length: 100 }, one))
    }
    return opened
  }

  /**
   * Asks over and over, and reads no answer. Resolves when the kernel takes no more, or after `count`, to how
   * often it has asked.
   */
  async askWithoutReading(
    protocol: string,
    { method, body, count, data }: { method: string; body: Cbor; count: number; data: number }
  ): Promise<number> {
    const stream = await this.#connection?.newStream(protocol, { maxOutboundStreams: 100_000 })
    if (stream === undefined) return 0
    this.#streams.push(stream)
    stream.addEventListener('message', () => undefined)
    stream.pause()
    for (let call = 1; call <= count; call += 1) {
      const payload = encodeRequest(method, body, null)
      const frames = [{ type: OPEN, call, hasMore: false, payload }]
      for (let given = 0; given < data; given += 60_000) {
        frames.push({ type: DATA, call, hasMore: false, payload: new Uint8Array(60_000) })
      }
      if (!(await sent(stream, encodeFrames(frames)))) return call
    }
    return count
  }

  /** Asks as fast as the kernel takes it, reading every answer, until `signal` aborts. */
  async askForEver(
    protocol: string,
    { method, body, data }: { method: string; body: Cbor; data: number },
    signal: AbortSignal
  ): Promise<Asked> {
    const stream = await this.#connection?.newStream(protocol, { maxOutboundStreams: 100_000 })
    if (stream === undefined) return { requests: 0, bytes: 0 }
    this.#streams.push(stream)
    stream.addEventListener('message', () => undefined)
    const asked = { requests: 0, bytes: 0 }
    const payload = encodeRequest(method, body, null)
    while (!signal.aborted) {
      const frames = Array.from({ length: 64 }, () => {
        asked.requests += 1
        return { type: OPEN, call: asked.requests, hasMore: false, payload }
      })
      for (let given = 0; given < data; given += 60_000) {
        const bulk = { type: DATA, call: 1, hasMore: false, payload: new Uint8Array(60_000) }
        frames.push(bulk)
      }
      const bytes = encodeFrames(frames)
      asked.bytes += bytes.length
      if (!(await sent(stream, bytes))) break
    }
    return asked
  }

  async stop(): Promise<void> {
    await this.#host.stop()
  }
}

/** False when the stream is over, or does not take more within a moment. */
async function sent(stream: Stream, bytes: Uint8Array): Promise<boolean> {
  try {
    if (stream.send(bytes)) return true
  } catch {
    return false
  }
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), 1000)
  stream.addEventListener('drain', () => resolve(true), { once: true })
  stream.addEventListener('close', () => resolve(false), { once: true })
  return await promise.finally(() => clearTimeout(timer))
}
