// Checking a proof file: docs/chain-format.md, "Proofs". Pure.

import { decodeText, encodeText, fromBase64, isSame, nodeKey } from './bytes.ts'
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
import { Findings } from './report.ts'
import type { OfflineReport } from './report.ts'
import { rootOfInclusion, sha256Leaf, sha256Pair } from './tree.ts'

export const PROOF_FORMAT = 'weft-proof/1'
/** 1,000 members' statements and a note of full size, in base64: a proof is far smaller. */
export const PROOF_BYTES_MAX: number = 8 * 1024 * 1024

/** A proof, decoded. `payload` is the slot, salt first. */
export interface Proof {
  readonly mesh: string
  readonly statements: readonly Uint8Array[]
  readonly entry: {
    readonly id: string
    readonly bytes: Uint8Array
    readonly path: readonly Uint8Array[]
  }
  readonly payload: Uint8Array | null
  readonly header: Uint8Array
  readonly signature: Uint8Array
  /** The path of the block in the tree of the checkpoint. */
  readonly path: readonly Uint8Array[]
  readonly laneKey: Uint8Array | null
  readonly note: string
}

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
  const place = /^([1-9]\d{0,15})\.(0|[1-9]\d{0,3})@(\S+)$/.exec(proof.entry.id)
  const [height, index, lane = ''] = [Number(place?.[1]), Number(place?.[2]), place?.[3]]
  const key = nodeKey(lane)
  if (key === null) throw new Malformed('its entry has no id')
  findings.lanes = 1
  const members = checkMesh(primitives, proof, findings)
  checkOwner(lane, members, findings)
  const header = readHeader(proof.header)
  const complain = (code: string, message: string): void =>
    findings.add({ lane, height, entry: index, code, message })
  const signed: [Uint8Array, Uint8Array] = [proof.header, proof.signature]
  const isBlock = header.lane === lane && header.height === height
  if (!isBlock || !isSignedIn(primitives, key, BLOCK_SIGNATURE_DOMAIN, signed)) {
    complain('CHAIN_HEADER_DAMAGED', 'The block is not one that the lane has signed')
  }
  findings.blocks = 1
  findings.signatures += 1
  checkEntry(primitives, { proof, header, index, complain }, findings)
  checkCheckpoint(primitives, { proof, header, members, complain }, findings)
}

type Complaint = (code: string, message: string) => void

interface EntryPart {
  readonly proof: Proof
  readonly header: Header
  readonly index: number
  readonly complain: Complaint
}

function checkEntry(
  primitives: Primitives,
  { proof, header, index, complain }: EntryPart,
  findings: Findings
): void {
  const { id, bytes, path } = proof.entry
  const entry = readEntry(bytes)
  const place = { index, size: header.count, leaf: entryLeaf(primitives, bytes), path }
  const root = rootOfInclusion(place, entryPair(primitives))
  if (root === null || !isSame(root, header.root)) {
    complain('CHAIN_ENTRY_DAMAGED', 'The entry is not in the block')
  }
  let payload: Uint8Array | null = null
  if (proof.payload === null) findings.payloadsAbsent = 1
  else if (isSame(payloadHash(primitives, proof.payload), entry.payloadHash)) {
    payload = payloadOf(proof.payload)
  } else complain('CHAIN_PAYLOAD_DAMAGED', 'The payload is not that of the entry')
  const { kind, actor, subject, time } = entry
  findings.entry = { id, time: time[0], kind, actor, subject, payload }
  findings.entries = 1
}

interface CheckpointPart {
  readonly proof: Proof
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

/** @throws Malformed for anything but the one text of a proof */
export function readProof(file: Uint8Array): Proof {
  const text = file.length <= PROOF_BYTES_MAX ? decodeText(file) : null
  if (text === null) throw new Malformed('it is not text, or too long')
  const value = parseJson(text)
  // One form only, so that no byte of the file is without meaning.
  if (`${JSON.stringify(value, null, 2)}\n` !== text)
    throw new Malformed('its JSON has another form')
  const top = fields(value, 'format mesh entry payload block checkpoint')
  if (top['format'] !== PROOF_FORMAT) throw new Malformed(`its format is not ${PROOF_FORMAT}`)
  const mesh = fields(top['mesh'], 'id statements')
  const entry = fields(top['entry'], 'id bytes path')
  const block = fields(top['block'], 'header signature path')
  const checkpoint = fields(top['checkpoint'], 'laneKey note')
  return {
    mesh: asString(mesh['id']),
    statements: byteList(mesh['statements']),
    entry: {
      id: asString(entry['id']),
      bytes: asData(entry['bytes']),
      path: byteList(entry['path'])
    },
    payload: orNull(top['payload']),
    header: asData(block['header']),
    signature: asData(block['signature']),
    path: byteList(block['path']),
    laneKey: orNull(checkpoint['laneKey']),
    note: asString(checkpoint['note'])
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Malformed('it is not JSON')
  }
}

/** The fields of an object that has exactly these, in this order. */
function fields(value: unknown, names: string): Readonly<Record<string, unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject || Object.keys(value).join(' ') !== names) {
    throw new Malformed(`it has other fields than ${names.replaceAll(' ', ', ')}`)
  }
  return Object.fromEntries(Object.entries(value))
}

function asString(value: unknown): string {
  if (typeof value !== 'string') throw new Malformed('a field is not text')
  return value
}

function asData(value: unknown): Uint8Array {
  const bytes = fromBase64(asString(value))
  if (bytes === null) throw new Malformed('a field is not base64')
  return bytes
}

function orNull(value: unknown): Uint8Array | null {
  return value === null ? null : asData(value)
}

function byteList(value: unknown): readonly Uint8Array[] {
  if (!Array.isArray(value)) throw new Malformed('a field is not a list')
  return value.map(asData)
}
