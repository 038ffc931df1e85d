// The control API's listeners: the home's Unix socket always, TCP only where the user asked for it.

import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { millis } from '../../core/index.ts'
import type { Clock, Entropy, Logger } from '../../core/index.ts'
import { socketChannel } from '../api/socket-channel.ts'
import type { KernelService } from '../service.ts'
import { hostsOf, refusalOf } from './admission.ts'
import type { TcpAdmission } from './admission.ts'
import { serveRun } from './attached-run.ts'
import { cannotListen, socketPathTooLong } from './errors.ts'
import {
  CONNECTIONS_MAX,
  HEAD_BYTES_MAX,
  HEAD_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  SOCKET_PATH_BYTES_MAX,
  STOP_GRACE_MS
} from './limits.ts'
import { closedServer, notRun, refusalText, refuse } from './raw-answers.ts'
import { StreamSlots } from './stream-slots.ts'
import { loadToken } from './token-file.ts'

export interface HttpServerDeps {
  readonly service: KernelService
  readonly clock: Clock
  readonly entropy: Entropy
  readonly log: Logger
}

export interface HttpServerOptions {
  /** `$WEAVER_HOME/run/kernel.sock`. Its folder becomes 0700; a file in its place is removed. */
  readonly socketPath: string
  readonly version: string
  /** `host` is what the user wrote: whoever names an address that others reach has asked for it. */
  readonly tcp: {
    readonly host: string
    /** 0 for any free one. */
    readonly port: number
    readonly tokenFile: string
  } | null
}

type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export class HttpServer {
  readonly #deps: HttpServerDeps
  readonly #options: HttpServerOptions
  readonly #slots = new StreamSlots()
  readonly #servers: Server[] = []
  readonly #upgraded = new Set<Duplex>()
  #url: string | null = null
  #stopped: Promise<void> | null = null
  #answering: Promise<Answer> | null = null

  constructor(deps: HttpServerDeps, options: HttpServerOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** `http://127.0.0.1:7070` once started with TCP, else null. */
  get url(): string | null {
    return this.#url
  }

  /**
   * Listens. To be called by the holder of the home's lock, since it removes a dead kernel's socket.
   * @throws ApiRefusal `API_ADDRESS_IN_USE`, `API_LISTEN_FAILED`, `API_SOCKET_PATH_TOO_LONG`
   */
  async start(): Promise<void> {
    const { tcp } = this.#options
    try {
      if (tcp !== null) await this.#listenOnTcp(tcp)
      await this.#listenOnSocket(this.#options.socketPath)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Loads what answers, which the first request would wait for otherwise. */
  async load(): Promise<void> {
    await this.#answer()
  }

  /** Refuses new work, ends the streams, lets requests finish within the grace, cuts the rest. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#drain()
    await this.#stopped
  }

  async #listenOnSocket(path: string): Promise<void> {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
      throw socketPathTooLong(path, SOCKET_PATH_BYTES_MAX)
    }
    // The folder shuts everybody else out from before the socket exists.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await chmod(dirname(path), 0o700)
    await rm(path, { force: true })
    await this.#listen(null, { path })
    await chmod(path, 0o600)
  }

  async #listenOnTcp({
    host,
    port,
    tokenFile
  }: NonNullable<HttpServerOptions['tcp']>): Promise<void> {
    await mkdir(dirname(tokenFile), { recursive: true, mode: 0o700 })
    const token = await loadToken(tokenFile, this.#deps.entropy)
    const shown = host.includes(':') ? `[${host}]` : host
    // The hosts are known only when the port is: until then nobody is admitted.
    const rules: { token: string; hosts: ReadonlySet<string> } = { token, hosts: new Set() }
    const server = await this.#listen(rules, { host, port })
    const address = server.address()
    const bound = typeof address === 'object' && address !== null ? address.port : port
    rules.hosts = hostsOf(shown, bound)
    this.#url = `http://${shown}:${bound}`
  }

  async #listen(
    rules: TcpAdmission | null,
    where: { readonly path: string } | { readonly host: string; readonly port: number }
  ): Promise<Server> {
    const server = createServer(
      {
        maxHeaderSize: HEAD_BYTES_MAX,
        headersTimeout: HEAD_TIMEOUT_MS,
        requestTimeout: 0, // A blob may take hours: bodies are timed where they are read.
        keepAliveTimeout: KEEP_ALIVE_MS,
        shouldUpgradeCallback: (request) => request.headers.upgrade === 'weft-io'
      },
      this.#admitting(rules)
    )
    server.maxConnections = CONNECTIONS_MAX
    server.on('upgrade', (request, socket, head) => this.#upgrade(rules, { request, socket, head }))
    this.#servers.push(server)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const shown = 'path' in where ? where.path : `${where.host}:${where.port}`
    server.once('error', (error) => reject(cannotListen(shown, error)))
    server.listen(where, resolve)
    await promise
    server.on('error', (error) => this.#deps.log.warn('control API', { reason: String(error) }))
    return server
  }

  #admitting(rules: TcpAdmission | null): RequestListener {
    return (request, response) => {
      const refusal = refusalOf(request.headers, rules)
      if (refusal !== null) {
        refuse(request, response, refusal)
        return
      }
      this.#answer().then(
        (answer) => void answer(request, response),
        (error: unknown) => {
          this.#deps.log.error('control API cannot be loaded', { reason: String(error) })
          response.destroy()
        }
      )
    }
  }

  #answer(): Promise<Answer> {
    this.#answering ??= import('./loaded-late.ts').then(({ createApp, getRequestListener }) => {
      const { version } = this.#options
      const app = createApp({ ...this.#deps, slots: this.#slots, version })
      return getRequestListener((request) => app(request), { overrideGlobalObjects: false })
    })
    return this.#answering
  }

  #upgrade(
    rules: TcpAdmission | null,
    { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer }
  ): void {
    socket.on('error', () => socket.destroy())
    const refusal = refusalOf(request.headers, rules) ?? notRun(request)
    if (refusal !== null) {
      socket.end(refusalText(refusal))
      return
    }
    void this.#serveRun(socket, head)
  }

  async #serveRun(socket: Duplex, head: Buffer): Promise<void> {
    try {
      const slot = this.#slots.take()
      this.#upgraded.add(socket)
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: weft-io\r\n\r\n'
      )
      const channel = socketChannel(socket, head)
      void serveRun(channel, this.#deps) // It never rejects, and may outlive a caller that left.
      await channel.closed
      slot.free()
      this.#upgraded.delete(socket)
    } catch (error) {
      socket.end(refusalText(error))
    }
  }

  async #drain(): Promise<void> {
    this.#slots.stop()
    const closed = Promise.all(this.#servers.map(closedServer))
    const settled = new AbortController()
    const grace = this.#deps.clock.sleep(millis(STOP_GRACE_MS), settled.signal).then(
      () => this.#cut(),
      () => undefined // All were done in time.
    )
    for (const server of this.#servers) server.closeIdleConnections()
    await closed
    settled.abort()
    await grace
  }

  #cut(): void {
    for (const server of this.#servers) server.closeAllConnections()
    for (const socket of this.#upgraded) socket.destroy()
  }
}
