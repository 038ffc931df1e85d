// The proxies of a kernel: one Unix socket for each process that was granted a way out.

import { lookup } from 'node:dns/promises'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, isIP } from 'node:net'
import type { Server, Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock, Grant, Logger, Pid } from '../../core/index.ts'
import { opened } from './connection.ts'
import type { Relay } from './connection.ts'
import { FORWARDER_PROGRAM, forwarded, proxyVariables } from './forwarder.ts'
import { CONNECTIONS_MAX, IDLE_MS, LIFE_MS, LOOK_MS } from './limits.ts'
import type { EgressLedger, Resolve } from './ports.ts'
import { Traffic } from './traffic.ts'
import type { Entry } from './traffic.ts'

export interface EgressDeps {
  readonly clock: Clock
  readonly ledger: EgressLedger
  readonly log: Logger
  /** Null: this machine's own way. */
  readonly resolve: Resolve | null
}

export interface EgressOptions {
  /** Of this kernel alone, mode 0700. Sockets have short names: their paths have at most 104 bytes. */
  readonly runDirectory: string
}

interface Proxy {
  readonly pid: Pid
  readonly server: Server
  readonly path: string
  readonly traffic: Traffic
  readonly inside: Set<Socket>
  readonly relays: Map<Relay, Counted>
}

interface Counted {
  sent: number
  received: number
  movedAt: number
}

export class EgressProxies {
  readonly #deps: EgressDeps
  readonly #options: EgressOptions
  readonly #proxies = new Map<Pid, Proxy>()
  readonly #stopped = new AbortController()
  #looking: Promise<void> | null = null

  constructor(deps: EgressDeps, options: EgressOptions) {
    this.#deps = deps
    this.#options = options
  }

  readonly program: string = FORWARDER_PROGRAM

  entering(
    socket: string,
    command: readonly [string, ...string[]]
  ): readonly [string, ...string[]] {
    return forwarded(socket, command)
  }

  variables(grants: readonly Grant[]): Readonly<Record<string, string>> {
    return proxyVariables(grants)
  }

  /** The path of a socket that lets out to what these grants name. It listens when this returns. */
  open(pid: Pid, grants: readonly Grant[]): string {
    mkdirSync(this.#options.runDirectory, { recursive: true, mode: 0o700 })
    const path = join(this.#options.runDirectory, `net-${pid}.sock`)
    rmSync(path, { force: true }) // Of a kernel that ended without closing it.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    const traffic = new Traffic()
    const proxy = { pid, server, path, traffic, inside: new Set<Socket>(), relays: new Map() }
    server.on('connection', (socket) => this.#accept(proxy, socket, grants))
    server.on('error', (error) =>
      this.#deps.log.warn('the way out of a process failed', { pid, why: error.message })
    )
    server.listen(path)
    chmodSync(path, 0o600)
    this.#proxies.set(pid, proxy)
    this.#looking ??= this.#look()
    return path
  }

  /** To be called when the process has ended, or did not start. Records what it did. */
  async close(pid: Pid): Promise<void> {
    const proxy = this.#proxies.get(pid)
    if (proxy === undefined) return
    this.#proxies.delete(pid)
    proxy.server.close()
    this.#count(proxy)
    for (const { outside } of proxy.relays.keys()) outside.destroy()
    for (const socket of proxy.inside) socket.destroy()
    rmSync(proxy.path, { force: true })
    await this.#tell(proxy)
  }

  /** Closes all of them. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all([...this.#proxies.keys()].map((pid) => this.close(pid)))
    await this.#looking
  }

  #accept(proxy: Proxy, socket: Socket, grants: readonly Grant[]): void {
    if (proxy.inside.size >= CONNECTIONS_MAX) {
      socket.destroy()
      return
    }
    proxy.inside.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => proxy.inside.delete(socket))
    const { clock, resolve } = this.#deps
    const record = (entry: Entry): Promise<void> => this.#record(proxy.pid, [entry])
    const deps = { clock, resolve: resolve ?? resolved, traffic: proxy.traffic, record }
    opened(socket, grants, deps).then(
      (relay) => this.#keep(proxy, relay),
      () => socket.destroy() // It was told, or is gone; the entry could not be written.
    )
  }

  #keep(proxy: Proxy, relay: Relay | null): void {
    if (relay === null) return
    proxy.relays.set(relay, { sent: 0, received: 0, movedAt: this.#deps.clock.now() })
    const end = (): void => {
      if (!relay.inside.destroyed || !relay.outside.destroyed) return
      this.#countOne(relay, proxy.relays.get(relay))
      proxy.relays.delete(relay)
    }
    relay.inside.once('close', end)
    relay.outside.once('close', end)
    if (this.#proxies.get(proxy.pid) !== proxy) relay.outside.destroy()
    end()
  }

  #count(proxy: Proxy): void {
    for (const [relay, counted] of proxy.relays) this.#countOne(relay, counted)
  }

  #countOne({ outside, row }: Relay, counted: Counted | undefined): void {
    if (counted === undefined) return
    const sent = outside.bytesWritten - counted.sent
    const received = outside.bytesRead - counted.received
    if (sent === 0 && received === 0) return
    row.sentBytes += sent
    row.receivedBytes += received
    row.isChanged = true
    counted.sent += sent
    counted.received += received
    counted.movedAt = this.#deps.clock.now()
  }

  /** Ends what rests or lasts too long, and tells what went on, as long as there is a proxy. */
  async #look(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        await clock.sleep(LOOK_MS, signal)
      } catch {
        return // Stopped.
      }
      for (const proxy of this.#proxies.values()) {
        this.#count(proxy)
        const now = clock.now()
        for (const [relay, { movedAt }] of proxy.relays) {
          if (now - movedAt < IDLE_MS && now - relay.since < LIFE_MS) continue
          relay.inside.destroy()
          relay.outside.destroy()
        }
        await this.#tell(proxy)
      }
    }
  }

  async #tell(proxy: Proxy): Promise<void> {
    try {
      await this.#record(proxy.pid, proxy.traffic.changed())
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.#deps.log.warn('cannot record what a process sent and received', { pid: proxy.pid, why })
    }
  }

  async #record(pid: Pid, entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return
    await this.#deps.ledger.record(entries.map((entry) => ({ ...entry, actor: `process:${pid}` })))
  }
}

/** By this machine, in the order in which it would use them. An address stands for itself. */
async function resolved(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(({ address }) => address)
}
