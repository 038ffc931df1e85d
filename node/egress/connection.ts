// One connection from inside: what it wants, whether it may, and the bytes both ways.
//
// Invariants
//   X1. Nothing leaves before the destination is within a grant and the entry about it is durable.
//   X2. What is connected is an address that was checked, never a name.
//   X3. A slow side slows the other down; nothing between them grows. Half of a connection may end first.

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Clock, Grant, Millis } from '../../core/index.ts'
import { destinationOf, grantFor, openAddresses } from './destination.ts'
import type { Destination } from './destination.ts'
import { CONNECT_WAIT_MS, HEAD_BYTES_MAX, HEAD_WAIT_MS } from './limits.ts'
import type { Resolve } from './ports.ts'
import { httpAnswer, readRequest, socksAnswer } from './request.ts'
import type { Request } from './request.ts'
import type { Entry, Traffic, TrafficRow } from './traffic.ts'

export interface ConnectionDeps {
  readonly clock: Clock
  readonly resolve: Resolve
  readonly traffic: Traffic
  /** Durable once resolved. */
  record(entry: Entry): Promise<void>
}

type Open = Extract<Request, { kind: 'open' }>

/** One that is being relayed: its owner counts and ends it. */
export interface Relay {
  readonly inside: Socket
  readonly outside: Socket
  readonly row: TrafficRow
  readonly since: Millis
}

class Refused extends Error {}

/** Serves one connection until it may relay, or null where it ended before. Never rejects. */
export async function opened(
  inside: Socket,
  grants: readonly Grant[],
  deps: ConnectionDeps
): Promise<Relay | null> {
  const request = await within(deps.clock, HEAD_WAIT_MS, inside, () => readStart(inside))
  if (request === null) {
    inside.destroy()
    return null
  }
  try {
    return await within(deps.clock, CONNECT_WAIT_MS, inside, () =>
      dialled(request, inside, grants, deps)
    )
  } catch (error) {
    refuse(
      inside,
      request,
      error instanceof Refused
        ? error.message
        : 'the host cannot be reached, or the connection not be recorded'
    )
    return null
  }
}

async function dialled(
  request: Open,
  inside: Socket,
  grants: readonly Grant[],
  deps: ConnectionDeps
): Promise<Relay | null> {
  const refused = async (place: Destination, why: string): Promise<never> => {
    const entry = deps.traffic.refused(place.host, place.port, why)
    if (entry !== null) await deps.record(entry)
    throw new Refused(why)
  }
  const wanted = destinationOf(request.host, request.port)
  if (wanted === null) {
    const place = { host: request.host.slice(0, 100), port: request.port }
    return refused(place, 'this is no host that a grant can name')
  }
  const { host, port } = wanted
  if (grantFor(wanted, grants) === null) {
    return refused(wanted, `no grant of this process lets it out to net:${host}:${port}`)
  }
  const addresses = openAddresses(wanted, await deps.resolve(host), grants)
  if (addresses.length === 0) {
    return refused(
      wanted,
      `${host} is not on the public network: grant its very address if you mean it`
    )
  }
  for (const address of addresses) {
    if (inside.destroyed) return null
    const { row, entry } = deps.traffic.opened(host, port, address)
    if (entry !== null) await deps.record(entry) // From here it is durable (X1).
    const outside = await dial(address, port) // X2
    if (outside === null) continue
    relay(request, inside, outside)
    return { inside, outside, row, since: deps.clock.now() }
  }
  return null
}

function dial(address: string, port: number): Promise<Socket | null> {
  return new Promise((settle) => {
    const outside = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
    outside.once('error', () => settle(null))
    outside.once('connect', () => {
      outside.removeAllListeners('error')
      outside.pause()
      settle(outside)
    })
  })
}

/** X3: a pipe waits for `drain`, and ends the other side's half when its own ends. */
function relay(request: Open, inside: Socket, outside: Socket): void {
  const both = [inside, outside]
  for (const socket of both) {
    socket.once('error', () => {
      for (const each of both) each.destroy()
    })
    socket.once('close', (hadError) => {
      if (hadError) for (const each of both) each.destroy()
    })
  }
  if (request.via === 'connect') inside.write('HTTP/1.1 200 Connection established\r\n\r\n')
  if (request.via === 'socks') inside.write(socksAnswer(0))
  if (request.first.length > 0) outside.write(request.first)
  inside.pipe(outside)
  outside.pipe(inside)
}

function refuse(inside: Socket, request: Open, why: string): void {
  if (inside.destroyed) return
  inside.on('error', () => inside.destroy())
  inside.end(
    request.via === 'socks' ? socksAnswer(2) : httpAnswer('403 Forbidden', `weaver: ${why}`)
  )
  inside.resume()
}

/** What the client asks for; null where it says nothing usable. */
async function readStart(inside: Socket): Promise<Open | null> {
  let bytes: Buffer = Buffer.alloc(0)
  let isGreeted = false
  for (;;) {
    const request = readRequest(bytes, isGreeted)
    if (request.kind === 'open') return request
    if (request.kind === 'bad') {
      inside.end(request.answer)
      return null
    }
    if (request.kind === 'greeted') {
      inside.write(request.answer)
      bytes = bytes.subarray(request.used)
      isGreeted = true
      continue
    }
    const chunk = bytes.length > 2 * HEAD_BYTES_MAX ? null : await nextChunk(inside)
    if (chunk === null) return null
    bytes = Buffer.concat([bytes, chunk])
  }
}

function nextChunk(inside: Socket): Promise<Buffer | null> {
  return new Promise((settle) => {
    const done = (chunk: Buffer | null): void => {
      inside.pause()
      inside.removeListener('data', done)
      inside.removeListener('end', ended)
      inside.removeListener('close', ended)
      settle(chunk)
    }
    const ended = (): void => done(null)
    inside.on('data', done)
    inside.once('end', ended)
    inside.once('close', ended)
    inside.resume()
  })
}

/** Ends the connection when a step takes longer than it may. */
async function within<T>(
  clock: Clock,
  wait: Millis,
  inside: Socket,
  step: () => Promise<T>
): Promise<T> {
  const settled = new AbortController()
  const late = clock.sleep(wait, settled.signal).then(
    () => inside.destroy(),
    () => undefined // The step was in time.
  )
  try {
    return await step()
  } finally {
    settled.abort()
    await late
  }
}
