// One signed step of one node's document. Formats: docs/formats/mesh.md, section 5.

import { decodeCbor, encodeCbor, isSignedBy, meshId, nodeId } from '../../core/index.ts'
import type { MeshId, NodeId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { fieldsOf } from '../exchange.ts'
import { ENVELOPE_BYTES_MAX } from '../limits.ts'

/** `base` is a whole document and replaces what was before; `delta` is one change on top. */
export type EnvelopeKind = 'base' | 'delta'

export interface EnvelopeBody {
  readonly mesh: MeshId
  readonly owner: NodeId
  /** The owner's run: a document begins anew with each start of its kernel. */
  readonly generation: number
  /** 1, 2, 3, ... without gaps within a generation; a base has a number like any other. */
  readonly sequence: number
  readonly kind: EnvelopeKind
  readonly payload: Uint8Array
}

/** An envelope whose signature has been checked. */
export interface Envelope extends EnvelopeBody {
  /** As sent and kept, so that others can forward it: CBOR [body bytes, signature]. */
  readonly bytes: Uint8Array
}

const SIGNATURE_DOMAIN = 'weft/document/1'

export function signEnvelope(signer: Signer, body: EnvelopeBody): Envelope {
  const bodyBytes = encodeCbor({ v: 1, ...body })
  const bytes = encodeCbor([bodyBytes, signer.sign(SIGNATURE_DOMAIN, bodyBytes)])
  return { ...body, bytes }
}

/** What an envelope says of itself, before anybody has looked at its signature. */
export interface ClaimedEnvelope extends Envelope {
  readonly signedBytes: Uint8Array
  readonly signature: Uint8Array
}

/** @throws MeshError `MESH_DOCUMENT_INVALID`: not of this form, or not signed by its owner */
export function parseEnvelope(bytes: unknown): Envelope {
  return checkedEnvelope(readEnvelope(bytes))
}

/**
 * Checks the signature, which is most of what a step costs: whoever need not know has asked before.
 * @throws MeshError `MESH_DOCUMENT_INVALID`: its owner did not sign it
 */
export function checkedEnvelope(claimed: ClaimedEnvelope): Envelope {
  const { signedBytes, signature, ...envelope } = claimed
  if (isSignedBy(envelope.owner, SIGNATURE_DOMAIN, signedBytes, signature)) return envelope
  throw invalid('its owner did not sign it')
}

/** @throws MeshError `MESH_DOCUMENT_INVALID`: not of this form */
export function readEnvelope(bytes: unknown): ClaimedEnvelope {
  try {
    return parse(bytes)
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw invalid('it cannot be read', error)
  }
}

function parse(bytes: unknown): ClaimedEnvelope {
  if (!(bytes instanceof Uint8Array)) throw invalid('it has another form')
  if (bytes.length > ENVELOPE_BYTES_MAX) throw invalid(`it exceeds ${ENVELOPE_BYTES_MAX} bytes`)
  const outer = decodeCbor(bytes)
  if (!Array.isArray(outer) || outer.length !== 2) throw invalid('it has another form')
  const [signedBytes, signature]: unknown[] = outer
  if (!(signedBytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw invalid('it has another form')
  }
  const { v, mesh, owner, generation, sequence, kind, payload } = fieldsOf(decodeCbor(signedBytes))
  if (
    v !== 1 ||
    typeof mesh !== 'string' ||
    typeof owner !== 'string' ||
    !isCount(generation) ||
    !isCount(sequence) ||
    sequence < 1 ||
    (kind !== 'base' && kind !== 'delta') ||
    !(payload instanceof Uint8Array)
  ) {
    throw invalid('it has another form')
  }
  const of = { mesh: meshId(mesh), owner: nodeId(owner) }
  return { ...of, generation, sequence, kind, payload, bytes, signedBytes, signature }
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function invalid(why: string, cause?: unknown): MeshError {
  return new MeshError('MESH_DOCUMENT_INVALID', `Cannot accept a document's change: ${why}`, {
    cause
  })
}
