// Writing what a verifier can check without us: proof files and exports. docs/chain-format.md, "Proofs" and
// "Exports", are the specifications.

import { encodeCbor, publicKeyOf } from '../../core/index.ts'
import type { Cbor, MeshId, NodeId } from '../../core/index.ts'
import { FormatError } from '../errors.ts'
import { leafHashes } from '../hashes.ts'
import { levelAbove } from '../merkle.ts'
import { base64 } from '../offline/bytes.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import type { Proof, ProofPart } from '../offline/proof-file.ts'
import { PROOF_FORMAT, REDACTION_PROOF_FORMAT } from '../offline/proof-file.ts'
import { EXPORT_MAGIC, firstDigest, formatSection, nextDigest } from '../offline/sections.ts'
import type { SectionType } from '../offline/sections.ts'
import { headerBytesOf, parseFrameHead, rowsOf, signatureOf } from '../record.ts'

/** The mesh whose statements make the keys of a file meaningful. */
export interface BundleMesh {
  readonly id: MeshId
  readonly statements: readonly Uint8Array[]
}

export function formatProof(proof: Proof): string {
  const { redaction } = proof
  const document = {
    format: redaction === null ? PROOF_FORMAT : REDACTION_PROOF_FORMAT,
    mesh: { id: proof.mesh, statements: proof.statements.map(base64) },
    ...partFields(proof),
    ...(redaction === null ? {} : { redaction: partFields(redaction) })
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

/** In the order that the format demands. */
function partFields({ entry, payload, header, signature, path, laneKey, note }: ProofPart): object {
  return {
    entry: { id: entry.id, bytes: base64(entry.bytes), path: entry.path.map(base64) },
    payload: payload === null ? null : base64(payload),
    block: { header: base64(header), signature: base64(signature), path: path.map(base64) },
    checkpoint: { laneKey: laneKey === null ? null : base64(laneKey), note }
  }
}

/** The parts of a stored record that prove one of its entries. @throws FormatError */
export function entryParts(
  record: Uint8Array,
  index: number
): Pick<ProofPart, 'header' | 'signature' | 'payload'> &
  Pick<ProofPart['entry'], 'bytes' | 'path'> {
  const head = parseFrameHead(record)
  const rows = head === null ? [] : rowsOf(record, head)
  const row = rows[index]
  if (head === null || row === undefined) throw new FormatError(`a block has no entry ${index}`)
  return {
    header: headerBytesOf(record, head),
    signature: signatureOf(record, head),
    bytes: row.entry,
    payload: row.payload.length === 0 ? null : row.payload,
    path: pathIn(leafHashes(rows.map(({ entry }) => entry)), index)
  }
}

/** The payload slot of an entry of a record that a peer sent; null where there is none. Nothing is checked. */
export function slotIn(record: Uint8Array, index: number): Uint8Array | null {
  try {
    return entryParts(record, index).payload
  } catch (error) {
    if (error instanceof FormatError) return null
    throw error
  }
}

/** The siblings on the way up; a last node without one moves up unchanged. */
function pathIn(leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  const path: Uint8Array[] = []
  let level = leaves
  for (let at = index; level.length > 1; at = Math.floor(at / 2)) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1]
    if (sibling !== undefined) path.push(sibling)
    level = levelAbove(level)
  }
  return path
}

/** One lane as it is to be exported. */
export interface ExportedLane {
  readonly lane: NodeId
  readonly height: number
  readonly hash: Uint8Array
  readonly laneKey: Uint8Array | null
  readonly note: Uint8Array | null
  /** Its records from height 1 on, in order, without a gap. */
  readonly records: AsyncIterable<Uint8Array>
}

/** Writes sections, and at the end the digest of them all. */
export class ExportWriter {
  #digest: Uint8Array = firstDigest(nodePrimitives)

  begin({ id, statements }: BundleMesh): readonly Uint8Array[] {
    const hash = new Uint8Array(Buffer.from(id, 'hex'))
    return [EXPORT_MAGIC, this.#section('MESH', encodeCbor([hash, [...statements]]))]
  }

  async *lane(lane: ExportedLane): AsyncGenerator<Uint8Array> {
    const { height, hash, laneKey, note } = lane
    const end: Cbor = [publicKeyOf(lane.lane), height, hash]
    yield this.#section('LANE', encodeCbor(end))
    if (note !== null) {
      if (laneKey !== null) yield this.#section('LKEY', laneKey)
      yield this.#section('NOTE', note)
    }
    for await (const record of lane.records) yield this.#section('BLCK', record)
  }

  end(): Uint8Array {
    return this.#section('DONE', this.#digest)
  }

  #section(type: SectionType, body: Uint8Array): Uint8Array {
    const section = formatSection(type, body)
    this.#digest = nextDigest(nodePrimitives, this.#digest, section)
    return section
  }
}
