// Signed statements: the only thing that makes a member. Formats: docs/formats/mesh.md, section 1.

import {
  decodeCbor,
  encodeCbor,
  isSignedBy,
  meshIdOf,
  nodeId,
  readRotation,
  shake256,
  toHex,
  unreachable
} from '../../core/index.ts'
import type { Cbor, MeshId, NodeId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import { STATEMENT_BYTES_MAX } from '../limits.ts'
import { invalid, parseBody } from './statement-body.ts'
import type { StatementBody } from './statement-body.ts'

export { NONCE_BYTES } from './statement-body.ts'
export type { AdmitBody, Role, StatementBody } from './statement-body.ts'

/** A statement whose signature has been checked. Made by `signStatement` and `parseStatement` alone. */
export interface Statement {
  /** Hash of the signed bytes, in hexadecimal: the statement's name in the store and on the wire. */
  readonly id: string
  readonly by: NodeId
  readonly body: StatementBody
  /** As stored and sent: CBOR [body bytes, signer, signature]. */
  readonly bytes: Uint8Array
}

const SIGNATURE_DOMAIN = 'weft/statement/1'
const HASH_DOMAIN = 'weft/statement/1'

export function signStatement(signer: Signer, body: StatementBody): Statement {
  const bodyBytes = encodeCbor({ v: 1, ...body })
  const signature = signer.sign(SIGNATURE_DOMAIN, bodyBytes)
  const bytes = encodeCbor([bodyBytes, signer.nodeId, signature])
  return { id: statementId(bodyBytes, signer.nodeId), by: signer.nodeId, body, bytes }
}

/**
 * Reads a statement from a peer or from disk, and checks its signature. Whether its signer may say so is
 * for the fold to judge.
 * @throws MeshError `MESH_STATEMENT_INVALID`
 */
export function parseStatement(bytes: Uint8Array): Statement {
  try {
    if (bytes.length > STATEMENT_BYTES_MAX) throw invalid('it is too long')
    const outer = decodeCbor(bytes)
    if (!Array.isArray(outer) || outer.length !== 3) throw invalid('it has another form')
    const [bodyBytes, by, signature]: unknown[] = outer
    if (
      !(bodyBytes instanceof Uint8Array) ||
      !(signature instanceof Uint8Array) ||
      typeof by !== 'string'
    ) {
      throw invalid('it has another form')
    }
    const signedBy = nodeId(by)
    if (!isSignedBy(signedBy, SIGNATURE_DOMAIN, bodyBytes, signature)) {
      throw invalid('its signature is wrong')
    }
    const body = parseBody(decodeCbor(bodyBytes))
    if (body.kind === 'succeed' && readRotation(body.rotation)?.from !== signedBy) {
      throw invalid('its rotation is of another key than its signer')
    }
    return { id: statementId(bodyBytes, signedBy), by: signedBy, body, bytes }
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw invalid('it cannot be read', error)
  }
}

/** The mesh that a genesis statement founds. */
export function foundedMesh(genesis: Statement): MeshId {
  return meshIdOf(new Uint8Array(Buffer.from(genesis.id, 'hex')))
}

function statementId(bodyBytes: Uint8Array, by: NodeId): string {
  // The body alone would do for the mesh id, but two signers may say the same words. The signature is
  // left out: one key can make many for the same words.
  return toHex(shake256(HASH_DOMAIN, shake256('weft/statement-body/1', bodyBytes), encodeCbor(by)))
}

/** For the ledger: what was said, in words. */
export function statementSummary(statement: Statement): { readonly [key: string]: Cbor } {
  const { id, by, body } = statement
  const common = { statement: id, kind: body.kind, by }
  switch (body.kind) {
    case 'genesis':
    case 'admit':
      return { ...common, node: body.node, name: body.name, role: body.role }
    case 'role':
      return { ...common, node: body.node, role: body.role }
    case 'revoke':
    case 'leave':
    case 'succeed':
      return { ...common, node: body.node }
    case 'quorum':
      return { ...common, signatures: body.signatures }
    case 'approve':
      return { ...common, statements: body.statements }
    default:
      return unreachable(body)
  }
}
