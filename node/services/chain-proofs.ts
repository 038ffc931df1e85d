// Proof files and exports: what a chain shows to those who were not there.

import type { BundleOptions, EntryRef, LaneCheckpoint } from '../../chain/index.ts'
import { entryId, PayloadsNotHeldError, slotIn } from '../../chain/index.ts'
import { toHex, WeaverError } from '../../core/index.ts'
import type { Mesh } from '../../mesh/index.ts'
import type { ChainProof, Checkpoint, ExportChunk } from '../api/index.ts'
import { wholeRecords } from '../chain-repair.ts'
import { EXPORT_CHUNK_BYTES } from '../limits.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { Streamed, StreamOptions } from '../service.ts'

export function checkpointView(mesh: Mesh, checkpoint: LaneCheckpoint | null): Checkpoint | null {
  if (checkpoint === null) return null
  const { size, root, witnesses } = checkpoint
  return { size, root: toHex(root), witnesses: witnesses.map((node) => mesh.nameOf(node)) }
}

/** An entry of the own lane is first covered by a checkpoint, and shown to the others, if it is not yet. */
export async function proofOf(rooms: Rooms, id: string, withPayload: boolean): Promise<ChainProof> {
  const { chain, mesh, witness, self, log } = rooms
  const options = { ...bundleOptions(mesh), withPayload }
  const entry = await chain.entry(id)
  if (entry === null) {
    throw new WeaverError('CHAIN_ENTRY_NOT_FOUND', `Cannot find chain entry ${id}`, {
      detail: { hint: 'weaver chain log shows entries with their ids' }
    })
  }
  const ref = entryId(id)
  const redaction = withPayload ? chain.upkeep.redactionOf(ref) : null
  const latest = chain.proofs.latest(self)?.size ?? 0
  const isUncovered = (each: EntryRef): boolean => each.lane === self && each.height > latest
  if (isUncovered(ref) || (redaction !== null && isUncovered(redaction))) {
    try {
      await witness.checkpointNow()
    } catch (error) {
      log.warn('Cannot have a checkpoint witnessed for a proof', { error: String(error) })
    }
  }
  const slot = withPayload && entry.payload === null ? await slotElsewhere(rooms, id) : null
  return { proof: await chain.proofs.prove(id, { ...options, slot, redaction }) }
}

/**
 * The payload slot of an entry of a lane of which only headers are kept here, from a member that has it; null
 * where it was redacted. @throws PayloadsNotHeldError `CHAIN_PAYLOADS_NOT_HELD`
 */
async function slotElsewhere(rooms: Rooms, id: string): Promise<Uint8Array | null> {
  const { chain, mesh } = rooms
  const { lane, height, index } = entryId(id)
  if (!chain.lacksPayloads(lane) || chain.upkeep.redactionOf(entryId(id)) !== null) return null
  for await (const record of wholeRecords(rooms, lane, height)) {
    const slot = slotIn(record, index)
    // Whether it is the entry's own is for chain/ to check.
    if (slot !== null) return slot
  }
  throw new PayloadsNotHeldError(
    `prove ${id} with its payload`,
    `no member that is connected has it; its owner is ${mesh.nameOf(lane)}; ` +
      'weaver chain prove --no-payload proves the entry without it'
  )
}

export async function* exportStream(
  { chain, mesh }: Rooms,
  lane: string | null,
  { signal }: StreamOptions
): AsyncGenerator<Streamed<ExportChunk>, void, void> {
  const lanes = chain.heads().map((head) => head.lane)
  const chosen = lane === null ? lanes : [resolveNode(mesh, lane)]
  let parts: Uint8Array[] = []
  let size = 0
  let sent = 0
  const flush = (): Streamed<ExportChunk> => {
    const base64 = Buffer.concat(parts).toString('base64')
    parts = []
    size = 0
    sent += 1
    return { id: String(sent), item: { base64 } }
  }
  for await (const part of chain.proofs.export(chosen, bundleOptions(mesh))) {
    if (signal.aborted) return
    parts.push(part)
    size += part.length
    if (size >= EXPORT_CHUNK_BYTES) yield flush()
  }
  yield flush()
}

function bundleOptions(mesh: Mesh): BundleOptions {
  const id = mesh.meshId()
  if (id === null) {
    throw new WeaverError('MESH_NO_MESH', 'Cannot prove anything: this node is in no mesh yet')
  }
  return {
    mesh: { id, statements: mesh.statements() },
    isMember: (node) => mesh.isMember(node)
  }
}
