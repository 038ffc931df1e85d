// A kernel's signed word which run of its node it is. Whoever is refused as a second kernel is shown the
// other one's claim and can check it: no member can make a kernel believe that its home was copied.

import { decodeCbor, encodeCbor, equalBytes, isSignedBy } from '../../core/index.ts'
import type { MeshId, NodeId, Signer } from '../../core/index.ts'
import { parseIncarnation } from './incarnation.ts'
import type { Incarnation } from './incarnation.ts'

const SIGNATURE_DOMAIN = 'weft/incarnation/1'
export const CLAIM_NONCE_BYTES = 16
const CLAIM_BYTES_MAX = 512
const NO_NONCE = new Uint8Array()

export interface Claim {
  readonly incarnation: Incarnation
  /** What the claim answers to, which shows that it is fresh; empty in a hello. */
  readonly nonce: Uint8Array
}

export function signClaim(
  signer: Signer,
  mesh: MeshId,
  incarnation: Incarnation,
  nonce: Uint8Array = NO_NONCE
): Uint8Array {
  const { generation, bootId } = incarnation
  const said = encodeCbor([mesh, signer.nodeId, generation, bootId, nonce])
  return encodeCbor([generation, bootId, nonce, signer.sign(SIGNATURE_DOMAIN, said)])
}

/** Null unless `node` itself has signed `bytes` for `mesh`. */
export function readClaim(bytes: unknown, mesh: MeshId, node: NodeId): Claim | null {
  if (!(bytes instanceof Uint8Array) || bytes.length > CLAIM_BYTES_MAX) return null
  try {
    const parts: unknown = decodeCbor(bytes)
    if (!Array.isArray(parts) || parts.length !== 4) return null
    const [generation, bootId, nonce, signature]: unknown[] = parts
    const incarnation = parseIncarnation({ generation, bootId })
    if (incarnation === null || !(nonce instanceof Uint8Array)) return null
    if (!(signature instanceof Uint8Array)) return null
    const said = encodeCbor([mesh, node, incarnation.generation, incarnation.bootId, nonce])
    return isSignedBy(node, SIGNATURE_DOMAIN, said, signature) ? { incarnation, nonce } : null
  } catch {
    return null // Not canonical CBOR: no claim.
  }
}

/**
 * Whether `claim` shows that a second kernel has the key of the run `own`: another run that is not an
 * earlier one, or any other that answers now to `nonce`, which `own` has just drawn.
 */
export function isProofOfCopy(claim: Claim, own: Incarnation, nonce: Uint8Array): boolean {
  if (claim.incarnation.bootId === own.bootId) return false
  if (claim.incarnation.generation >= own.generation) return true
  return nonce.length === CLAIM_NONCE_BYTES && equalBytes(claim.nonce, nonce)
}
