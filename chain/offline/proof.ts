// Checking a proof file: docs/chain-format.md, "Proofs". Pure.

import { encodeText, isSame, nodeKey } from './bytes.ts'
import {
  BLOCK_SIGNATURE_DOMAIN,
  blockHash,
  entryLeaf,
  entryPair,
  payloadHash,
  payloadOf,
  readEntry,
  readHeader
} from './block.ts'
import type { Header } from './block.ts'
import { Malformed } from './errors.ts'
import { isSignedIn, readLaneKey } from './keys.ts'
import { checkMesh, checkNote, checkOwner } from './mesh.ts'
import type { Members } from './mesh.ts'
import type { Primitives } from './primitives.ts'
import { readProof } from './proof-file.ts'
import type { Proof, ProofPart } from './proof-file.ts'
import { mayHaveRedacted, REDACTED_KIND, redactionSubject } from './redactions.ts'
import { Findings } from './report.ts'
import type { OfflineReport, ProvenEntry } from './report.ts'
import { ROTATION_KIND } from './rotation.ts'
import { rootOfInclusion, sha256Leaf, sha256Pair } from './tree.ts'

export function verifyProof(primitives: Primitives, file: Uint8Array): OfflineReport {
  const findings = new Findings('proof')
  try {
    checkProof(primitives, readProof(file), findings)
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    findings.file('CHAIN_PROOF_INVALID', `The file is no proof of this version: ${error.message}`)
  }
  return findings.report()
}

function checkProof(primitives: Primitives, proof: Proof, findings: Findings): void {
  const members = checkMesh(primitives, proof, findings)
  const entry = checkPart(primitives, { part: proof, members }, findings)
  findings.entry = entry
  if (proof.redaction === null) return
  const redaction = checkPart(primitives, { part: proof.redaction, members }, findings)
  findings.redaction = redaction
  if (laneIn(redaction.id) === laneIn(entry.id)) findings.lanes = 1
  checkRedaction({ entry, redaction, members }, findings)
}

interface RedactionPart {
  readonly entry: ProvenEntry
  readonly redaction: ProvenEntry
  readonly members: Members
}

/** Whether the one entry is about the other, and of somebody who may take payloads of its lane back. */
function checkRedaction({ entry, redaction, members }: RedactionPart, findings: Findings): void {
  const complain = (message: string): void =>
    findings.file('CHAIN_REDACTION_INVALID', message, laneIn(redaction.id))
  if (redaction.kind !== REDACTED_KIND || redaction.subject !== redactionSubject(entry.id)) {
    complain('The second entry does not take the payload of the first one back')
  }
  if (entry.kind === ROTATION_KIND) complain('The payload of a change of key cannot be taken back')
  if (!mayHaveRedacted(laneIn(redaction.id), laneIn(entry.id), members)) {
    complain('The payload was taken back by a node that may not do so')
  }
}

function laneIn(id: string): string {
  return id.slice(id.indexOf('@') + 1)
}

interface Part {
  readonly part: ProofPart
  readonly members: Members
}

function checkPart(
  primitives: Primitives,
  { part: proof, members }: Part,
  findings: Findings
): ProvenEntry {
  const place = /^([1-9]\d{0,15})\.(0|[1-9]\d{0,3})@(\S+)$/.exec(proof.entry.id)
  const [height, index, lane = ''] = [Number(place?.[1]), Number(place?.[2]), place?.[3]]
  const key = nodeKey(lane)
  if (key === null) throw new Malformed('its entry has no id')
  findings.lanes += 1
  checkOwner(lane, members, findings)
  const header = readHeader(proof.header)
  const complain = (code: string, message: string): void =>
    findings.add({ lane, height, entry: index, code, message })
  const signed: [Uint8Array, Uint8Array] = [proof.header, proof.signature]
  const isBlock = header.lane === lane && header.height === height
  if (!isBlock || !isSignedIn(primitives, key, BLOCK_SIGNATURE_DOMAIN, signed)) {
    complain('CHAIN_HEADER_DAMAGED', 'The block is not one that the lane has signed')
  }
  findings.blocks += 1
  findings.signatures += 1
  const entry = checkEntry(primitives, { proof, header, index, complain }, findings)
  checkCheckpoint(primitives, { proof, header, members, complain }, findings)
  return entry
}

type Complaint = (code: string, message: string) => void

interface EntryPart {
  readonly proof: ProofPart
  readonly header: Header
  readonly index: number
  readonly complain: Complaint
}

function checkEntry(
  primitives: Primitives,
  { proof, header, index, complain }: EntryPart,
  findings: Findings
): ProvenEntry {
  const { id, bytes, path } = proof.entry
  const entry = readEntry(bytes)
  const place = { index, size: header.count, leaf: entryLeaf(primitives, bytes), path }
  const root = rootOfInclusion(place, entryPair(primitives))
  if (root === null || !isSame(root, header.root)) {
    complain('CHAIN_ENTRY_DAMAGED', 'The entry is not in the block')
  }
  let payload: Uint8Array | null = null
  if (proof.payload === null) findings.payloadsAbsent += 1
  else if (isSame(payloadHash(primitives, proof.payload), entry.payloadHash)) {
    payload = payloadOf(proof.payload)
  } else complain('CHAIN_PAYLOAD_DAMAGED', 'The payload is not that of the entry')
  const { kind, actor, subject, time } = entry
  findings.entries += 1
  return { id, time: time[0], kind, actor, subject, payload }
}

interface CheckpointPart {
  readonly proof: ProofPart
  readonly header: Header
  readonly members: Members
  readonly complain: Complaint
}

function checkCheckpoint(
  primitives: Primitives,
  { proof, header, members, complain }: CheckpointPart,
  findings: Findings
): void {
  const { lane, height } = header
  let mlDsa44: Uint8Array | null = null
  if (proof.laneKey !== null) {
    const stated = readLaneKey(primitives, proof.laneKey)
    if (stated.lane !== lane) throw new Malformed('the statement of a key is of another lane')
    mlDsa44 = stated.mlDsa44
    findings.signatures += 1
  }
  const note = encodeText(proof.note)
  const checkpoint = checkNote(primitives, { lane, note, mlDsa44, members }, findings)
  if (checkpoint === null) return
  if (proof.laneKey !== null && !checkpoint.hasMlDsa) {
    findings.file('CHAIN_CHECKPOINT_INVALID', 'The checkpoint lacks its ML-DSA signature', lane)
  }
  const leaf = sha256Leaf(primitives, blockHash(primitives, proof.header))
  const place = { index: height - 1, size: checkpoint.size, leaf, path: proof.path }
  const root = rootOfInclusion(place, sha256Pair(primitives))
  if (root === null || !isSame(root, checkpoint.root)) {
    complain('CHAIN_INCLUSION_WRONG', 'The block is not in the tree of the checkpoint')
  }
}
