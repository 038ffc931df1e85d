// One signed step of a document with several writers. Formats: docs/formats/mesh.md, section 5.

import {
  decodeCbor,
  encodeCbor,
  isSignedBy,
  meshId,
  nodeId,
  shake256,
  toHex
} from '../../core/index.ts'
import type { Cbor, MeshId, NodeId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { fieldsOf } from '../exchange.ts'
import { ENVELOPE_BYTES_MAX, SHARED_EPOCH_MAX } from '../limits.ts'
import { isCount } from './envelope.ts'
import { isSharedName } from './shared-rows.ts'
import type { SharedName } from './shared-rows.ts'

/** No base yet: the document began empty. */
export const NO_BASE = ''

interface StepOf {
  readonly mesh: MeshId
  readonly document: SharedName
  readonly author: NodeId
  /** A saved document, or a change of one. */
  readonly payload: Uint8Array
}

/** A whole document, which takes the place of another base and of all that was built on it. */
export interface BaseBody extends StepOf {
  readonly kind: 'base'
  /** One more than that of the base before. */
  readonly epoch: number
}

/** One change, on top of a base. */
export interface DeltaBody extends StepOf {
  readonly kind: 'delta'
  /** The id of that base, or NO_BASE. */
  readonly base: string
  /** A run of the author's kernel, in hexadecimal digits: each numbers its changes anew. */
  readonly stream: string
  /** Grows within the stream, from base to base. */
  readonly sequence: number
  /** That of the stream's last change on this base, 0 for the first. */
  readonly previous: number
}

export interface SharedBase extends BaseBody {
  readonly bytes: Uint8Array
  /** Of its bytes, in hexadecimal digits. */
  readonly id: string
}

export interface SharedDelta extends DeltaBody {
  readonly bytes: Uint8Array
}

/** A step whose signature has been checked. */
export type SharedStep = SharedBase | SharedDelta

const SIGNATURE_DOMAIN = 'weft/shared-document/1'
const STREAM_PATTERN = /^[0-9a-f]{16}$/
const BASE_PATTERN = /^(?:[0-9a-f]{64})?$/

export function signBase(signer: Signer, body: BaseBody): SharedBase {
  const bytes = signed(signer, { ...body })
  return { ...body, bytes, id: idOf(bytes) }
}

export function signDelta(signer: Signer, body: DeltaBody): SharedDelta {
  return { ...body, bytes: signed(signer, { ...body }) }
}

/** What a step says of itself, before anybody has looked at its signature. */
export interface ClaimedStep {
  readonly step: SharedStep
  readonly signedBytes: Uint8Array
  readonly signature: Uint8Array
}

/** @throws MeshError `MESH_DOCUMENT_INVALID`: not of this form */
export function readStep(bytes: unknown): ClaimedStep {
  try {
    return parse(bytes)
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw invalid('it cannot be read', error)
  }
}

/** @throws MeshError `MESH_DOCUMENT_INVALID`: its author did not sign it */
export function checkedStep({ step, signedBytes, signature }: ClaimedStep): SharedStep {
  if (isSignedBy(step.author, SIGNATURE_DOMAIN, signedBytes, signature)) return step
  throw invalid('its author did not sign it')
}

function signed(signer: Signer, body: { readonly [field: string]: Cbor }): Uint8Array {
  const bodyBytes = encodeCbor({ v: 1, ...body })
  return encodeCbor([bodyBytes, signer.sign(SIGNATURE_DOMAIN, bodyBytes)])
}

function idOf(bytes: Uint8Array): string {
  return toHex(shake256('weft/shared-base/1', bytes))
}

function parse(bytes: unknown): ClaimedStep {
  if (!(bytes instanceof Uint8Array)) throw invalid('it has another form')
  if (bytes.length > ENVELOPE_BYTES_MAX) throw invalid(`it exceeds ${ENVELOPE_BYTES_MAX} bytes`)
  const outer = decodeCbor(bytes)
  if (!Array.isArray(outer) || outer.length !== 2) throw invalid('it has another form')
  const [signedBytes, signature]: unknown[] = outer
  if (!(signedBytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw invalid('it has another form')
  }
  const step = parseBody(fieldsOf(decodeCbor(signedBytes)), bytes)
  return { step, signedBytes, signature }
}

function parseBody(body: Readonly<Record<string, unknown>>, bytes: Uint8Array): SharedStep {
  const { v, mesh, document, author, kind, payload } = body
  if (
    v !== 1 ||
    typeof mesh !== 'string' ||
    typeof author !== 'string' ||
    !isSharedName(document) ||
    !(payload instanceof Uint8Array)
  ) {
    throw invalid('it has another form')
  }
  const of = { mesh: meshId(mesh), document, author: nodeId(author), payload, bytes }
  const { epoch, base, stream, sequence, previous } = body
  if (kind === 'base' && isCount(epoch) && epoch >= 1 && epoch <= SHARED_EPOCH_MAX) {
    return { ...of, kind, epoch, id: idOf(bytes) }
  }
  if (
    kind !== 'delta' ||
    typeof base !== 'string' ||
    !BASE_PATTERN.test(base) ||
    typeof stream !== 'string' ||
    !STREAM_PATTERN.test(stream) ||
    !isCount(sequence) ||
    !isCount(previous) ||
    previous >= sequence
  ) {
    throw invalid('it has another form')
  }
  return { ...of, kind, base, stream, sequence, previous }
}

function invalid(why: string, cause?: unknown): MeshError {
  return new MeshError(
    'MESH_DOCUMENT_INVALID',
    `Cannot accept a shared document's change: ${why}`,
    {
      cause
    }
  )
}
