// One connection from inside: what it wants, whether it may, and, where secrets could be in it, what it says.
//
// Invariants
//   X1. Nothing leaves before the destination is within a grant and the entry about it is durable.
//   X2. What is connected is an address that was checked, never a name.
//   X3. Of a process that holds secrets no byte goes out that belongs to one of them, as far as it can be read.

import type { Clock, Grant, Millis } from '../../core/index.ts'
import type { Client } from './carrier.ts'
import type { OwnAddress } from './addresses.ts'
import { destinationOf, grantFor, openAddresses } from './destination.ts'
import type { Destination } from './destination.ts'
import { CONNECT_WAIT_MS, HEAD_BYTES_MAX, HEAD_WAIT_MS, REFUSED_WAIT_MS } from './limits.ts'
import type { Resolve, Watch, Watcher } from './ports.ts'
import { httpAnswer, readRequest, socksAnswer } from './request.ts'
import type { Request } from './request.ts'
import type { Entry, Traffic, TrafficRow } from './traffic.ts'

export interface ConnectionDeps {
  readonly clock: Clock
  readonly resolve: Resolve
  /** This machine's addresses, now. */
  readonly own: () => readonly OwnAddress[]
  readonly traffic: Traffic
  /** Those of the process now: they may become fewer while it runs. */
  readonly grants: () => readonly Grant[]
  /** Finds the secrets that the process holds; null: it holds none. */
  readonly watch: Watch | null
  /** Durable once resolved. */
  record(entry: Entry): Promise<void>
}

type Open = Extract<Request, { kind: 'open' }>

/** One that is being relayed: its owner counts and ends it. */
export interface Relay {
  readonly client: Client
  readonly wanted: Destination
  readonly row: TrafficRow
  readonly since: Millis
}

class Refused extends Error {
  /** Null: as the request was made. */
  readonly answer: Uint8Array | null

  constructor(why: string, answer: Uint8Array | null) {
    super(why)
    this.answer = answer
  }
}

const SECRET_SEEN = 'it would send a secret in clear'
const NOWHERE: Destination = { host: 'unknown', port: 0 }
const EMPTY = Buffer.alloc(0)

/** Serves one connection until it may relay, or null where it ended before. Never rejects. */
export async function opened(client: Client, deps: ConnectionDeps): Promise<Relay | null> {
  const { clock } = deps
  let request: Open | null = null
  try {
    const asked = await within(clock, HEAD_WAIT_MS, client, () => readStart(client, deps))
    request = asked
    return await within(clock, CONNECT_WAIT_MS, client, () => dialled(asked, client, deps))
  } catch (error) {
    await refuse(client, answerTo(request, error), clock)
    return null
  }
}

async function dialled(request: Open, client: Client, deps: ConnectionDeps): Promise<Relay | null> {
  const { clock, traffic } = deps
  const wanted = destinationOf(request.host, request.port)
  if (wanted === null) {
    const place = { host: request.host.slice(0, 100), port: request.port }
    return refused(deps, place, 'this is no host that a grant can name')
  }
  const { host, port } = wanted
  if (grantFor(wanted, deps.grants()) === null) {
    return refused(deps, wanted, `no grant of this process lets it out to net:${host}:${port}`)
  }
  // A name server may never answer.
  const found = await Promise.race([deps.resolve(host), client.gone.then(() => [])])
  if (client.isGone) return refused(deps, wanted, 'it ended before its name was resolved')
  const addresses = openAddresses(wanted, found, deps.grants(), deps.own())
  if (addresses.length === 0) {
    const why = `${host} is this machine, a neighbour, or not on the public network: grant its very address if you mean it`
    return refused(deps, wanted, why)
  }
  for (const address of addresses) {
    if (client.isGone) return null
    const { row, entry } = traffic.opened(host, port, address)
    if (entry !== null) await deps.record(entry) // From here it is durable (X1).
    if (!(await client.dial(address, port))) {
      traffic.failed(row) // X2
      continue
    }
    // A grant may have been taken back meanwhile.
    if (grantFor(wanted, deps.grants()) === null)
      throw new Refused('its grant was taken back', null)
    relay(request, client, deps)
    return { client, wanted, row, since: clock.now() }
  }
  throw new Refused('the host does not answer', null)
}

function relay(request: Open, client: Client, deps: ConnectionDeps): void {
  if (request.via === 'connect') {
    client.tell('answer', Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n'))
  }
  if (request.via === 'socks') client.tell('answer', socksAnswer(0))
  if (deps.watch === null) {
    if (request.first.length > 0) client.tell('send', request.first)
    client.tell('relay')
    return
  }
  client.tell('relay', Buffer.from('w'))
  void watched(request, { client, filter: deps.watch() }, deps)
}

/** X3: what goes out passes here, in clear or not; what comes back does not. Never rejects. */
async function watched(
  request: Open,
  { client, filter }: { readonly client: Client; readonly filter: Watcher },
  deps: ConnectionDeps
): Promise<void> {
  let bytes: Buffer | null = request.first
  while (bytes !== null) {
    const out = filter.push(bytes)
    if (filter.hasFound) return cutLeak(request, client, deps)
    if (out.length > 0) client.tell('send', out)
    bytes = await client.next()
  }
  const rest = filter.end()
  if (rest.length > 0) client.tell('send', rest)
  client.tell('finish')
}

async function cutLeak({ host, port }: Open, client: Client, deps: ConnectionDeps): Promise<void> {
  client.tell('cut')
  await refused(deps, { host: host.slice(0, 100), port }, SECRET_SEEN).catch(() => undefined) // It is cut.
}

async function refused(
  deps: ConnectionDeps,
  place: Destination,
  reason: string | { readonly why: string; readonly answer: Uint8Array }
): Promise<never> {
  const { why, answer } = typeof reason === 'string' ? { why: reason, answer: null } : reason
  const entry = deps.traffic.refused(place.host, place.port, why)
  if (entry !== null) await deps.record(entry)
  throw new Refused(why, answer)
}

function answerTo(request: Open | null, error: unknown): Uint8Array {
  const isRefused = error instanceof Refused
  if (isRefused && error.answer !== null) return error.answer
  if (request?.via === 'socks') return socksAnswer(2)
  const why = isRefused
    ? error.message
    : 'the host cannot be reached, or the connection not be recorded'
  return httpAnswer('403 Forbidden', `weaver: ${why}`)
}

/** Says it, and gives the client time to read it. */
async function refuse(client: Client, answer: Uint8Array, clock: Clock): Promise<void> {
  client.tell('end', answer)
  await within(clock, REFUSED_WAIT_MS, client, () => client.gone)
}

/** What the client asks for. @throws Refused where it says nothing usable, after it was told */
async function readStart(client: Client, deps: ConnectionDeps): Promise<Open> {
  let bytes: Buffer = EMPTY
  let isGreeted = false
  for (;;) {
    const request = readRequest(bytes, isGreeted)
    // Also a name that is asked for can carry one (X3).
    if (request.kind !== 'more' && holdsSecret(bytes, deps.watch)) {
      return refused(deps, NOWHERE, SECRET_SEEN)
    }
    if (request.kind === 'open') return request
    if (request.kind === 'bad') return refused(deps, NOWHERE, request)
    if (request.kind === 'greeted') {
      client.tell('answer', request.answer)
      bytes = bytes.subarray(request.used)
      isGreeted = true
      continue
    }
    const chunk = bytes.length > 2 * HEAD_BYTES_MAX ? null : await client.next()
    if (chunk === null) return refused(deps, NOWHERE, 'it ended before it said where to')
    bytes = Buffer.concat([bytes, chunk])
  }
}

function holdsSecret(bytes: Buffer, watch: Watch | null): boolean {
  if (watch === null) return false
  const filter = watch()
  filter.push(bytes)
  return filter.hasFound
}

/** Ends the connection when a step takes longer than it may. */
async function within<T>(
  clock: Clock,
  wait: Millis,
  client: Client,
  step: () => Promise<T>
): Promise<T> {
  const settled = new AbortController()
  const late = clock.sleep(wait, settled.signal).then(
    () => client.tell('cut'),
    () => undefined // The step was in time.
  )
  try {
    return await step()
  } finally {
    settled.abort()
    await late
  }
}
