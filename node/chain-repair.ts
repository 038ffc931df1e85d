// Blocks from the copies of other members: for `weaver chain repair`, and for an own lane that has lost
// blocks, before anything is appended to it.
//
// Invariants
//   W1. Nothing is believed of what a peer sends: chain/ checks every block.
//   W2. While the own lane is being repaired nothing can be recorded, and so nothing privileged be done.
//   W3. An own lane is never begun anew, nor shortened, unless its owner has said so; then it says that.

import { z } from 'zod'
import type { Chain, RepairSource } from '../chain/index.ts'
import { utf8 } from '../core/index.ts'
import type { Clock, KeyValueStore, Logger, NodeId } from '../core/index.ts'
import type { Mesh, RpcClient } from '../mesh/index.ts'
import {
  CHAIN_BATCH_BYTES,
  CHAIN_READ_TIMEOUT_MS,
  OWN_LANE_WAIT_MS,
  REPAIR_POLL_MS,
  REPAIR_WAIT_MS
} from './limits.ts'
import { answered } from './remote/received.ts'

const CHAIN_SERVICE = 'chain'
const STARTED_KEY = 'chain/started'
const recordsSchema = z.object({ records: z.array(z.instanceof(Uint8Array)) })

export interface RepairDeps {
  readonly self: NodeId
  readonly chain: Chain
  readonly mesh: Pick<Mesh, 'peers' | 'rpc' | 'status'>
  readonly clock: Clock
  readonly log: Logger
}

/** What the owner has asked for at this start; null is a start as usual. */
export interface RepairWish {
  /** Go on without acknowledged blocks that nobody holds any more. */
  readonly isLossAccepted: boolean
}

/** What became of the own lane. */
export interface OwnLaneRepair {
  readonly heightBefore: number
  readonly height: number
  /** The height up to which acknowledged blocks were given up, or null. */
  readonly lostTo: number | null
}

/** Asks every connected member in turn. */
export function repairSource({ self, mesh, log, chain }: RepairDeps): RepairSource {
  return {
    async *fetch(lane, range, signal) {
      const bare = chain.status().some((each) => each.lane === lane && each.keeping === 'headers')
      let from = range.from
      for (const peer of connected(self, mesh)) {
        for (;;) {
          if (from > range.to) return
          const records = await readFrom(mesh.rpc, peer, { lane, from, bare, signal }).catch(
            (error: unknown) => {
              log.warn('Cannot fetch blocks for a repair', { peer, lane, error: String(error) })
              return []
            }
          )
          if (records.length === 0) break
          for (const record of records) {
            from += 1
            yield record
          }
        }
      }
    }
  }
}

/** One record as each connected member gives it, if it has the lane whole. Nothing about it has been checked. */
export async function* wholeRecords(
  { self, mesh, log }: Pick<RepairDeps, 'self' | 'mesh' | 'log'>,
  lane: NodeId,
  height: number
): AsyncGenerator<Uint8Array> {
  for (const peer of connected(self, mesh)) {
    try {
      const wanted = { lane, from: height, bare: false, signal: undefined }
      const [record] = await readFrom(mesh.rpc, peer, wanted)
      if (record !== undefined) yield record
    } catch (error) {
      log.warn('Cannot fetch a block', { peer, lane, height, error: String(error) })
    }
  }
}

/**
 * Takes the own lane back from other members. Returns when it holds all that was acknowledged and every
 * member that is there has been asked.
 * @throws RepairIncompleteError `CHAIN_REPAIR_INCOMPLETE`; `signal.reason`
 */
export async function repairOwnLane(
  deps: RepairDeps,
  wish: RepairWish & { readonly least: number; readonly signal: AbortSignal }
): Promise<OwnLaneRepair> {
  const { chain, clock, self, mesh } = deps
  const before = chain.upkeep.repairState()
  const heightBefore = before?.height ?? 0
  const expected = Math.max(before?.expected ?? 0, wish.least)
  const end = clock.now() + REPAIR_WAIT_MS
  for (;;) {
    const peers = connected(self, mesh)
    for (const peer of peers) await pullOwn(deps, peer, wish.signal)
    const height = chain.upkeep.repairState()?.height ?? 0
    const isWhole = height >= expected
    const others = mesh.status().members - 1
    if (peers.length >= others || clock.now() >= end) break
    if (isWhole && peers.length > 0 && clock.now() >= end - REPAIR_WAIT_MS + OWN_LANE_WAIT_MS) break
    await clock.sleep(REPAIR_POLL_MS, wish.signal)
  }
  await chain.upkeep.salvage()
  // A block without its payloads is better than none: to go on below it would fork the lane.
  for (const peer of connected(self, mesh)) await pullOwn(deps, peer, wish.signal, true)
  const height = chain.upkeep.repairState()?.height ?? 0
  const lostTo = await chain.upkeep.endRepair(wish.isLossAccepted, wish.least)
  return { heightBefore, height, lostTo }
}

/**
 * Asks whoever is there, for a moment, whether it holds blocks of the own lane that this disk does not: a
 * home that was put back from an old backup must not go on from there.
 * @throws LaneTruncatedError `CHAIN_LANE_TRUNCATED`
 */
export async function confirmOwnLane(deps: RepairDeps, signal: AbortSignal): Promise<void> {
  const { clock, mesh, self, chain } = deps
  const end = clock.now() + OWN_LANE_WAIT_MS
  while (connected(self, mesh).length === 0) {
    if (mesh.status().members < 2 || clock.now() >= end) return
    await clock.sleep(REPAIR_POLL_MS, signal)
  }
  const [peer] = connected(self, mesh)
  if (peer !== undefined) await pullOwn(deps, peer, signal, true)
  const failure = chain.failure()
  if (failure !== null) throw failure
}

/** Blocks of the own lane above its tip, from one peer. Whatever keeps the peer from answering is its own. */
async function pullOwn(
  deps: RepairDeps,
  peer: NodeId,
  signal: AbortSignal,
  bare: boolean = false
): Promise<void> {
  const { self, chain, mesh, log } = deps
  try {
    for (;;) {
      signal.throwIfAborted()
      const height = chain.heads().find(({ lane }) => lane === self)?.height ?? 0
      const wanted = { lane: self, from: height + 1, bare, signal }
      const records = await readFrom(mesh.rpc, peer, wanted)
      if (records.length === 0) return
      const outcome = await chain.accept(self, records)
      if (outcome.kind !== 'extended') return
    }
  } catch (error) {
    if (signal.aborted) throw error
    log.warn('Cannot ask a member for the own lane', { peer, error: String(error) })
  }
}

function connected(self: NodeId, mesh: Pick<Mesh, 'peers'>): readonly NodeId[] {
  return mesh.peers().flatMap(({ nodeId, isConnected }) => {
    return isConnected && nodeId !== self ? [nodeId] : []
  })
}

interface Wanted {
  readonly lane: NodeId
  readonly from: number
  /** Records without payloads. */
  readonly bare: boolean
}

async function readFrom(
  rpc: RpcClient,
  peer: NodeId,
  { signal, ...wanted }: Wanted & { readonly signal: AbortSignal | undefined }
): Promise<readonly Uint8Array[]> {
  const body = { ...wanted, bytesMax: CHAIN_BATCH_BYTES }
  const answer = await rpc.call(peer, CHAIN_SERVICE, 'read', body, {
    timeoutMs: CHAIN_READ_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal })
  })
  return answered(recordsSchema, answer).records
}

/** Remembers, apart from the lane, that it has been begun: an empty chain folder is then a loss. */
export const startedMark: {
  isSet(store: KeyValueStore): Promise<boolean>
  set(store: KeyValueStore): Promise<void>
  /** The lane of another key is to be begun. */
  clear(store: KeyValueStore): Promise<void>
} = {
  isSet: async (store) => (await store.get(STARTED_KEY)) !== null,
  set: async (store) => {
    if (await startedMark.isSet(store)) return
    await store.write([{ key: STARTED_KEY, value: utf8('1') }])
  },
  clear: (store) => store.write([{ key: STARTED_KEY, value: null }])
}
