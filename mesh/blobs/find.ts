// Who has a blob: a small mesh is asked, of a large one the hash table says it.

import { fromHex } from '../../core/index.ts'
import type { BlobId, Clock, Logger, NodeId } from '../../core/index.ts'
import type { ContentRouting } from '../ports.ts'
import type { RpcClient } from '../rpc/index.ts'
import { withDeadline } from '../tasks.ts'
import { blobSilent } from './errors.ts'
import type { Found } from './fetch.ts'
import { BLOB_ASK_PEERS_MAX, BLOB_ASK_TIMEOUT_MS } from './limits.ts'
import { BLOB_SERVICE, heldIn, requestBody } from './wire.ts'
import type { Held } from './wire.ts'

export interface FindDeps {
  readonly rpc: RpcClient
  readonly clock: Clock
  readonly log: Logger
  readonly peers: () => readonly NodeId[]
  /** Null as long as there is none: then some members are asked, and others that have it are not found. */
  readonly routing: () => ContentRouting | null
}

/** Never rejects: whoever does not answer does not have it. */
export async function findBlob(deps: FindDeps, id: BlobId): Promise<Found> {
  const peers = deps.peers()
  const routing = peers.length > BLOB_ASK_PEERS_MAX ? deps.routing() : null
  const known = routing === null ? peers : await providers(deps, routing, id)
  const connected = known.filter((peer) => peers.includes(peer)).slice(0, BLOB_ASK_PEERS_MAX)
  // Records of a hash table are hints: those who are named are asked too.
  const answers = await Promise.all(connected.map((peer) => has(deps, peer, id)))
  const that = (held: Held): readonly NodeId[] =>
    connected.filter((_, index) => answers[index] === held)
  // Those that have all of it first: only they never send one away.
  return { sources: [...that('whole'), ...that('part')], asked: connected.length }
}

async function has({ rpc }: FindDeps, peer: NodeId, id: BlobId): Promise<Held> {
  const options = { timeoutMs: BLOB_ASK_TIMEOUT_MS }
  const asking = rpc.call(peer, BLOB_SERVICE, 'has', requestBody(id), options)
  return asking.then(heldIn, () => 'none' as const)
}

async function providers(
  { clock, log }: FindDeps,
  routing: ContentRouting,
  id: BlobId
): Promise<readonly NodeId[]> {
  const found: NodeId[] = []
  const signal = new AbortController().signal
  const deadline = { timeoutMs: BLOB_ASK_TIMEOUT_MS, signal, onTimeout: blobSilent }
  try {
    await withDeadline(clock, deadline, async (inner) => {
      for await (const peer of routing.providers(routingKey(id), inner)) {
        found.push(peer)
        if (found.length >= BLOB_ASK_PEERS_MAX) break
      }
    })
  } catch (error) {
    log.debug('not all who have a blob were found', { blob: id, error: String(error) })
  }
  return found // Also those that were found before it took too long.
}

/** Says to the hash table that this node has it. Never rejects: it is said again. @returns whether it was */
export async function provideBlob(
  { routing, log }: Pick<FindDeps, 'routing' | 'log'>,
  id: BlobId,
  signal: AbortSignal
): Promise<boolean> {
  const table = routing()
  if (table === null) return false
  try {
    await table.provide(routingKey(id), signal)
    return true
  } catch (error) {
    log.debug('nobody was told of a blob', { blob: id, error: String(error) })
    return false
  }
}

/** This node has it no more, and the hash table need not say it again. Never rejects. */
export async function withdrawBlob(
  { routing, log }: Pick<FindDeps, 'routing' | 'log'>,
  id: BlobId
): Promise<void> {
  try {
    await routing()?.withdraw(routingKey(id))
  } catch (error) {
    log.debug('a blob is not withdrawn', { blob: id, error: String(error) })
  }
}

/** The 32 bytes of the id. */
function routingKey(id: BlobId): Uint8Array {
  return fromHex(id) ?? new Uint8Array()
}
