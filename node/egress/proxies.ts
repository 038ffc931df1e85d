// The ways out of a kernel: one carrier for each process that was granted any.
//
// Invariants
//   E1. A process's list only ever gets shorter; a connection that it does not name any more ends at once.
//   E2. Every connection is in the record (T1), at the latest when its process has ended.

import { lookup } from 'node:dns/promises'
import { mkdirSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { millis } from '../../core/index.ts'
import type { Clock, Grant, Logger, Millis, Pid } from '../../core/index.ts'
import type { OwnAddress } from './addresses.ts'
import { Carrier } from './carrier.ts'
import type { Client } from './carrier.ts'
import { opened } from './connection.ts'
import type { Relay } from './connection.ts'
import { grantFor } from './destination.ts'
import { entered, FORWARDER_LANGUAGE, proxyVariables } from './doorway.ts'
import type { Moved } from './frames.ts'
import { IDLE_MS, LAST_COUNT_MS, LIFE_MS, LOOK_MS, TELL_FIRST_MS, TELL_MAX_MS } from './limits.ts'
import type { EgressLedger, Resolve, Watch } from './ports.ts'
import { Traffic } from './traffic.ts'
import type { Entry } from './traffic.ts'

export interface EgressDeps {
  readonly clock: Clock
  readonly ledger: EgressLedger
  readonly log: Logger
  /** Null: this machine's own way. */
  readonly resolve: Resolve | null
  /** Absent: as this machine says. */
  readonly own?: () => readonly OwnAddress[]
}

export interface EgressOptions {
  /** Of this kernel alone, mode 0700. Sockets have short names: their paths have at most 104 bytes. */
  readonly runDirectory: string
}

interface Proxy {
  readonly pid: Pid
  readonly path: string
  readonly traffic: Traffic
  readonly watch: Watch | null
  readonly relays: Map<Relay, Counted>
  /** Those that have not come so far, or never will. */
  readonly asking: Set<Promise<void>>
  grants: readonly Grant[]
  /** Under way. */
  look: Promise<void> | null
  tellAt: Millis
  pace: Millis
}

interface Counted {
  moved: Moved
  movedAt: Millis
}

export class EgressProxies {
  readonly #deps: EgressDeps
  readonly #options: EgressOptions
  readonly #proxies = new Map<Pid, { readonly proxy: Proxy; readonly carrier: Promise<Carrier> }>()
  readonly #stopped = new AbortController()
  #looking: Promise<void> | null = null

  constructor(deps: EgressDeps, options: EgressOptions) {
    this.#deps = deps
    this.#options = options
  }

  readonly program: string = FORWARDER_LANGUAGE

  entering(
    socket: string,
    command: readonly [string, ...string[]]
  ): readonly [string, ...string[]] {
    return entered(socket, command)
  }

  variables(grants: readonly Grant[]): Readonly<Record<string, string>> {
    return proxyVariables(grants)
  }

  /**
   * The path of a socket that lets out to what these grants name. It listens when this resolves.
   * @throws WeaverError `NODE_EGRESS_MISSING` (elsewhere)
   */
  async open(pid: Pid, grants: readonly Grant[], watch: Watch | null = null): Promise<string> {
    await this.close(pid)
    mkdirSync(this.#options.runDirectory, { recursive: true, mode: 0o700 })
    const path = join(this.#options.runDirectory, `net-${pid}.sock`)
    rmSync(path, { force: true }) // Of a kernel that ended without closing it.
    const { clock } = this.#deps
    const proxy: Proxy = {
      pid,
      path,
      grants,
      watch,
      traffic: new Traffic(),
      relays: new Map(),
      asking: new Set(),
      look: null,
      tellAt: millis(clock.now() + TELL_FIRST_MS),
      pace: TELL_FIRST_MS
    }
    const carrier = Carrier.start(clock, path, (client) => this.#serve(proxy, client))
    this.#proxies.set(pid, { proxy, carrier })
    this.#looking ??= this.#look()
    try {
      void (await carrier).ended.then(() => this.#warnEnded(proxy))
      return path
    } catch (error) {
      this.#proxies.delete(pid)
      throw error
    }
  }

  /**
   * Lets the process out to no more than these from now on (E1). Resolves with whether anything was taken away. May
   * be called for any process.
   */
  narrow(pid: Pid, kept: (grant: Grant) => boolean): boolean {
    const proxy = this.#proxies.get(pid)?.proxy
    if (proxy === undefined) return false
    const grants = proxy.grants.filter(kept)
    if (grants.length === proxy.grants.length) return false
    proxy.grants = grants
    for (const { client, wanted } of proxy.relays.keys()) {
      if (grantFor(wanted, grants) === null) client.tell('cut')
    }
    return true
  }

  /** What each process with a way out may be let out to now. */
  granted(): ReadonlyMap<Pid, readonly Grant[]> {
    return new Map([...this.#proxies.values()].map(({ proxy }) => [proxy.pid, proxy.grants]))
  }

  /** To be called when the process has ended, or did not start. Records what it did. Never rejects. */
  async close(pid: Pid): Promise<void> {
    const found = this.#proxies.get(pid)
    if (found === undefined) return
    const { proxy, carrier } = found
    this.#proxies.delete(pid)
    await this.#lastCount(proxy)
    await carrier.then(
      (it) => it.stop(),
      () => undefined // It never started, and its caller heard of it.
    )
    rmSync(proxy.path, { force: true })
    await Promise.all(proxy.asking)
    await this.#tell(proxy)
  }

  /** Closes all of them. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all([...this.#proxies.keys()].map((pid) => this.close(pid)))
    await this.#looking
  }

  #serve(proxy: Proxy, client: Client): void {
    const { clock, resolve, own = addressesHere } = this.#deps
    const { traffic, watch } = proxy
    const record = (entry: Entry): Promise<void> => this.#record(proxy.pid, entry)
    const grants = (): readonly Grant[] => proxy.grants
    const deps = { clock, resolve: resolve ?? resolved, own, traffic, record, grants, watch }
    const served = opened(client, deps).then((relay) => this.#keep(proxy, relay))
    proxy.asking.add(served)
    void served.finally(() => proxy.asking.delete(served))
  }

  async #keep(proxy: Proxy, relay: Relay | null): Promise<void> {
    if (relay === null) return
    const { clock } = this.#deps
    proxy.relays.set(relay, {
      moved: { sentBytes: 0, receivedBytes: 0 },
      movedAt: clock.now()
    })
    // Its list may have become shorter while it was being connected (E1).
    if (grantFor(relay.wanted, proxy.grants) === null) relay.client.tell('cut')
    await relay.client.gone
    this.#count(proxy, relay)
    proxy.relays.delete(relay)
    const durationMs = Math.round(clock.now() - relay.since)
    proxy.traffic.ended(relay.row, durationMs, relay.client.moved)
  }

  /** What has moved until now: a carrier that is ended says nothing more. */
  async #lastCount({ relays }: Proxy): Promise<void> {
    const settled = new AbortController()
    const late = this.#deps.clock.sleep(LAST_COUNT_MS, settled.signal).catch(() => undefined)
    await Promise.race([
      Promise.all([...relays.keys()].map(({ client }) => client.counted())),
      late
    ])
    settled.abort()
  }

  #count(proxy: Proxy, relay: Relay): void {
    const counted = proxy.relays.get(relay)
    if (counted === undefined) return
    const { moved } = relay.client
    const sentBytes = moved.sentBytes - counted.moved.sentBytes
    const receivedBytes = moved.receivedBytes - counted.moved.receivedBytes
    if (sentBytes === 0 && receivedBytes === 0) return
    proxy.traffic.moved(relay.row, { sentBytes, receivedBytes })
    counted.moved = moved
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
      for (const { proxy } of this.#proxies.values()) {
        // One whose carrier does not answer holds nobody else up.
        proxy.look ??= this.#lookAt(proxy).finally(() => {
          proxy.look = null
        })
      }
    }
  }

  /** Never rejects. */
  async #lookAt(proxy: Proxy): Promise<void> {
    const now = this.#deps.clock.now()
    await Promise.all([...proxy.relays.keys()].map(({ client }) => client.counted()))
    for (const relay of proxy.relays.keys()) {
      this.#count(proxy, relay)
      const movedAt = proxy.relays.get(relay)?.movedAt ?? now
      if (now - movedAt >= IDLE_MS || now - relay.since >= LIFE_MS) relay.client.tell('cut')
    }
    if (now < proxy.tellAt) return
    proxy.pace = millis(Math.min(2 * proxy.pace, TELL_MAX_MS))
    proxy.tellAt = millis(now + proxy.pace)
    await this.#tell(proxy)
  }

  #warnEnded(proxy: Proxy): void {
    if (this.#proxies.get(proxy.pid)?.proxy !== proxy) return // It was closed.
    this.#deps.log.warn('The way out of a process has ended: it has no network any more', {
      pid: proxy.pid
    })
  }

  async #tell(proxy: Proxy): Promise<void> {
    const entry = proxy.traffic.changed(`process:${proxy.pid}`)
    if (entry === null) return
    try {
      await this.#record(proxy.pid, entry)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.#deps.log.warn('Cannot record what a process sent and received', {
        pid: proxy.pid,
        why
      })
    }
  }

  async #record(pid: Pid, entry: Entry): Promise<void> {
    await this.#deps.ledger.record([{ ...entry, actor: `process:${pid}` }])
  }
}

/** By this machine, in the order in which it would use them. An address stands for itself. */
async function resolved(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(({ address }) => address)
}

function addressesHere(): readonly OwnAddress[] {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return all.map(({ address, cidr }) => ({
    address,
    // Without a mask, itself alone.
    prefixLength: Number(cidr?.split('/')[1] ?? 128)
  }))
}
