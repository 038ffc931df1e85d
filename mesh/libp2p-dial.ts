// Many addresses, one connection: attempts start one after another with a head start each, and the
// first that succeeds wins (as RFC 8305 does for browsers).

import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock, NodeId } from '../core/index.ts'
import { dialAborted, dialFailed } from './host-errors.ts'
import { DIAL_ADDRESSES_MAX, DIAL_STAGGER_MS } from './host-limits.ts'
import type { DialTarget } from './ports.ts'

const HOST_KINDS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
const SOCKETS = new Set(['/tcp', '/tcp/p2p', '/tcp/ws', '/tcp/ws/p2p'])

/**
 * The target's addresses that are TCP, WebSockets or a circuit, each with the target's id, so that the
 * handshake refuses any other node there. Addresses come from peers: a path of a Unix socket, say, is not
 * dialled.
 */
export function usableAddresses({ nodeId, addresses }: DialTarget): readonly Multiaddr[] {
  const usable = new Map<string, Multiaddr>()
  for (const text of addresses) {
    const address = usableAddress(text, nodeId)
    if (address !== null) usable.set(address.toString(), address)
    if (usable.size === DIAL_ADDRESSES_MAX) break
  }
  return [...usable.values()]
}

function usableAddress(text: string, nodeId: NodeId): Multiaddr | null {
  try {
    const address = multiaddr(text)
    const parts = address.getComponents()
    const names = parts.map(({ name }) => name).join('/')
    const [host] = parts
    const isSocket =
      host !== undefined && HOST_KINDS.has(host.name) && SOCKETS.has(names.slice(host.name.length))
    if (!isSocket && !/^p2p\/p2p-circuit(\/p2p)?$/.test(names)) return null
    const last = parts.at(-1)
    if (last?.name !== 'p2p') return address.encapsulate(`/p2p/${nodeId}`)
    return last.value === nodeId ? address : null
  } catch {
    return null // Not a multiaddr: one of the others may do.
  }
}

/** The id of the relay of a circuit's address; null for a direct one. */
export function relayIn(address: Multiaddr): string | null {
  const [relay, circuit] = address.getComponents()
  return circuit?.name === 'p2p-circuit' ? (relay?.value ?? null) : null
}

export interface RaceDeps<T> {
  readonly clock: Clock
  readonly attempt: (address: Multiaddr, signal: AbortSignal) => Promise<T>
  /** Gets rid of what came second. */
  readonly drop: (loser: T) => void
}

export interface RaceOptions {
  readonly peer: NodeId
  readonly addresses: readonly Multiaddr[]
  readonly signal: AbortSignal
}

/** @throws WeaverError `MESH_DIAL_FAILED`, `MESH_DIAL_ABORTED` */
export async function race<T>(deps: RaceDeps<T>, options: RaceOptions): Promise<T> {
  const { peer, addresses, signal } = options
  const starts = new AbortController()
  // A controller for each attempt: the socket keeps its signal for life, so the winner's never aborts.
  const attempts = new Set<AbortController>()
  const { promise: won, resolve: win } = Promise.withResolvers<{ readonly value: T }>()
  const failures: unknown[] = []
  let isOver = false
  const run = async (address: Multiaddr): Promise<void> => {
    const controller = new AbortController()
    attempts.add(controller)
    try {
      const value = await deps.attempt(address, controller.signal)
      attempts.delete(controller)
      if (isOver) deps.drop(value)
      else win({ value })
      isOver = true
    } catch (error) {
      failures.push(error)
    }
  }
  const finish = (): void => {
    isOver = true
    starts.abort() // And with it the wait for the next start.
    for (const controller of attempts) controller.abort()
    attempts.clear()
  }
  signal.addEventListener('abort', finish, { once: true })
  try {
    const outcome = await Promise.race([won, startAll(deps.clock, addresses, run, starts.signal)])
    if (outcome !== null) return outcome.value
  } finally {
    finish()
    signal.removeEventListener('abort', finish)
  }
  if (signal.aborted) throw dialAborted(peer, signal.reason)
  const causes = failures.map((failure) => (failure instanceof Error ? failure.message : '?'))
  throw dialFailed(peer, causes.join('; ').slice(0, 1024), new AggregateError(failures))
}

/** Resolves when every attempt has ended. */
async function startAll(
  clock: Clock,
  addresses: readonly Multiaddr[],
  run: (address: Multiaddr) => Promise<void>,
  signal: AbortSignal
): Promise<null> {
  const running: Promise<void>[] = []
  for (const address of addresses) {
    if (signal.aborted) break
    const attempt = run(address)
    running.push(attempt)
    await Promise.race([attempt, headStart(clock, signal)])
  }
  await Promise.all(running)
  return null
}

async function headStart(clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(DIAL_STAGGER_MS, signal)
  } catch {
    // The race is over: there is nothing to wait for.
  }
}
