// The kernel's end of a carrier (carrier-program.ts): one for each process with a way out.
//
// Invariants
//   K1. A connection that is gone is told once, and what is asked of it afterwards does nothing.
//   K2. When the carrier ends, of whatever cause, all of its connections are gone: nothing goes out any more.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { isIP } from 'node:net'
import { WeaverError } from '../../core/index.ts'
import type { Clock } from '../../core/index.ts'
import { CARRIER_PROGRAM, callNumbers } from './carrier-program.ts'
import { FORWARDER_LANGUAGE } from './doorway.ts'
import { frame, FrameReader } from './frames.ts'
import type { Moved, Told, Verb } from './frames.ts'
import { CARRIER_START_MS, CONNECTIONS_MAX, READ_BYTES } from './limits.ts'

const NOTHING = new Uint8Array()

/** One connection from inside. */
export class Client {
  readonly #tell: (verb: Verb, bytes: Uint8Array) => void
  readonly #said: (Buffer | null)[] = []
  #reader: ((bytes: Buffer | null) => void) | null = null
  #dialling: ((isConnected: boolean) => void) | null = null
  #counting: PromiseWithResolvers<void> | null = null
  readonly #gone = Promise.withResolvers<void>()
  #isGone = false
  moved: Moved = { sentBytes: 0, receivedBytes: 0 }

  constructor(tell: (verb: Verb, bytes: Uint8Array) => void) {
    this.#tell = tell
  }

  /** Resolves when it is over; never rejects. */
  get gone(): Promise<void> {
    return this.#gone.promise
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** What it says next; null: no more. One call at a time. */
  next(): Promise<Buffer | null> {
    const waiting = this.#said.shift()
    if (waiting !== undefined) return Promise.resolve(waiting)
    if (this.#isGone) return Promise.resolve(null)
    this.#tell('more', NOTHING)
    const { promise, resolve } = Promise.withResolvers<Buffer | null>()
    this.#reader = resolve
    return promise
  }

  /** Whether that very address answered. */
  dial(address: string, port: number): Promise<boolean> {
    if (this.#isGone) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#dialling = resolve
    this.#tell('dial', Buffer.from(`${isIP(address)} ${address} ${port}`))
    return promise
  }

  /** Resolves when `moved` is up to date; never rejects. */
  counted(): Promise<void> {
    if (this.#isGone) return Promise.resolve()
    if (this.#counting === null) this.#tell('count', NOTHING)
    this.#counting ??= Promise.withResolvers()
    return this.#counting.promise
  }

  tell(verb: Exclude<Verb, 'count' | 'dial' | 'more'>, bytes: Uint8Array = NOTHING): void {
    if (!this.#isGone) this.#tell(verb, bytes)
  }

  hear(told: Exclude<Told, { kind: 'ready' | 'opened' }>): void {
    if (told.kind === 'said') this.#say(told.bytes)
    else if (told.kind === 'finished') this.#say(null)
    else if (told.kind === 'connected' || told.kind === 'unreachable') {
      this.#dialling?.(told.kind === 'connected')
      this.#dialling = null
    } else {
      this.moved = told.moved
      this.#counting?.resolve()
      this.#counting = null
    }
    if (told.kind === 'gone') this.over()
  }

  over(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#say(null)
    this.#dialling?.(false)
    this.#counting?.resolve()
    this.#gone.resolve()
  }

  #say(bytes: Buffer | null): void {
    const reader = this.#reader
    this.#reader = null
    if (reader === null) this.#said.push(bytes)
    else reader(bytes)
  }
}

export class Carrier {
  readonly #process: ChildProcess
  readonly #clients = new Map<number, Client>()
  readonly #onClient: (client: Client) => void
  readonly #ready = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()

  private constructor(path: string, onClient: (client: Client) => void) {
    const numbers = callNumbers(process.arch)
    if (numbers === null) throw carrierMissing(`it does not know this machine (${process.arch})`)
    this.#onClient = onClient
    const bounds = [CONNECTIONS_MAX, READ_BYTES, numbers.splice, numbers.recvmsg].map(String)
    this.#process = spawn(
      FORWARDER_LANGUAGE,
      ['-e', CARRIER_PROGRAM, '--', path, ...bounds],
      // A Ctrl-C at the kernel's terminal is not for it.
      { cwd: '/', env: {}, detached: true, stdio: ['pipe', 'pipe', 'ignore'] }
    )
    this.#process.unref()
    const reader = new FrameReader()
    this.#process.stdout?.on('data', (chunk: Buffer) => {
      for (const told of reader.push(chunk)) this.#hear(told)
    })
    this.#process.stdin?.on('error', () => {}) // It has ended; `close` tells.
    this.#process.once('error', (error) => this.#over(error.message))
    this.#process.once('close', () => this.#over('it has ended'))
  }

  /** It listens at `path` when this resolves. @throws WeaverError `NODE_EGRESS_MISSING` (elsewhere) */
  static async start(
    clock: Clock,
    path: string,
    onClient: (client: Client) => void
  ): Promise<Carrier> {
    const carrier = new Carrier(path, onClient)
    const settled = new AbortController()
    const late = clock.sleep(CARRIER_START_MS, settled.signal).then(
      () => carrier.#over('it does not answer'),
      () => undefined // It was in time.
    )
    try {
      await carrier.#ready.promise
      return carrier
    } catch (error) {
      void carrier.stop()
      throw error
    } finally {
      settled.abort()
      await late
    }
  }

  /** Resolves when it is no more; never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Ends it and all its connections at once. May be called twice. */
  async stop(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended.promise
  }

  #hear(told: Told): void {
    if (told.kind === 'ready') return this.#ready.resolve()
    if (told.kind !== 'opened') {
      this.#clients.get(told.id)?.hear(told)
      if (told.kind === 'gone') this.#clients.delete(told.id)
      return
    }
    const client = new Client((verb, bytes) => {
      this.#process.stdin?.write(frame(verb, told.id, bytes))
    })
    this.#clients.set(told.id, client)
    this.#onClient(client)
  }

  // K2
  #over(why: string): void {
    this.#ready.reject(carrierMissing(why))
    this.#ready.promise.catch(() => {}) // It was ready before, or its caller hears of it.
    for (const client of this.#clients.values()) client.over()
    this.#clients.clear()
    this.#ended.resolve()
  }
}

function carrierMissing(why: string): WeaverError {
  return new WeaverError(
    'NODE_EGRESS_MISSING',
    `Cannot open a way out for this process: ${FORWARDER_LANGUAGE} does not carry it, ${why}`,
    { retry: 'elsewhere', detail: { hint: 'install perl on this node' } }
  )
}
