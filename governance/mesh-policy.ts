// A set of policies that an admin has given to the whole mesh: one signed statement, whole, with a version.
// docs/formats/policy.md has the bytes.
//
// Invariants
//   M1. Of two statements the one with the higher version is newer; of one version, the one with the higher
//       digest. Every node that has seen both chooses the same. A void one gives way to what begins anew: one whose
//       version leaves no room to count on, of an author who is no admin any more.
//   M2. A statement is for one mesh. Its signature is the author's; whether the author may is asked of the gate.

import { z } from 'zod'
import {
  decodeCbor,
  encodeCbor,
  isSignedBy,
  meshId,
  nodeId,
  shake256,
  toHex,
  unixMillis
} from '../core/index.ts'
import type { MeshId, NodeId, Signer, UnixMillis } from '../core/index.ts'
import { PolicyInvalidError } from './errors.ts'
import {
  POLICY_BYTES_MAX,
  POLICY_VERSION_COUNTED_MAX,
  POLICY_VERSION_MAX,
  POLICY_VERSION_RESTART
} from './limits.ts'

export interface MeshPolicy {
  readonly mesh: MeshId
  readonly version: number
  readonly by: NodeId
  /** The author's wall clock: shown, never trusted. */
  readonly madeAt: UnixMillis
  readonly text: string
  /** Of the signed bytes, in hexadecimal. */
  readonly digest: string
  /** As it is stored and sent. */
  readonly bytes: Uint8Array
}

const DOMAIN = 'weft/mesh-policy/1'
const SIGNED_BYTES_MAX = POLICY_BYTES_MAX + 1024

const outerSchema = z.strictObject({
  v: z.literal(1),
  signed: z.instanceof(Uint8Array),
  signature: z.instanceof(Uint8Array)
})
const signedSchema = z.strictObject({
  mesh: z.string(),
  version: z.int().min(1).max(POLICY_VERSION_MAX),
  by: z.string(),
  madeAt: z.int().min(0),
  text: z.string()
})

export function signMeshPolicy(
  signer: Signer,
  said: Pick<MeshPolicy, 'mesh' | 'version' | 'madeAt' | 'text'>
): MeshPolicy {
  const { mesh, version, madeAt, text } = said
  const signed = encodeCbor({ mesh, version, by: signer.nodeId, madeAt, text })
  const bytes = encodeCbor({ v: 1, signed, signature: signer.sign(DOMAIN, signed) })
  return { ...said, by: signer.nodeId, digest: digestOf(signed), bytes }
}

/** Checks the form, the mesh and the signature. @throws WeaverError `GOVERNANCE_POLICY_INVALID` */
export function readMeshPolicy(bytes: Uint8Array, mesh: MeshId): MeshPolicy {
  try {
    if (bytes.length > SIGNED_BYTES_MAX) throw new Error('it is too long')
    const { signed, signature } = outerSchema.parse(decodeCbor(bytes))
    const said = signedSchema.parse(decodeCbor(signed))
    const by = nodeId(said.by)
    if (meshId(said.mesh) !== mesh) throw new Error('it is for another mesh')
    if (!isSignedBy(by, DOMAIN, signed, signature)) throw new Error('its signature is wrong')
    const { version, text } = said
    const madeAt = unixMillis(said.madeAt)
    return { mesh, version, by, madeAt, text, digest: digestOf(signed), bytes }
  } catch (error) {
    const why = error instanceof z.ZodError ? 'it has another form' : String(error)
    throw new PolicyInvalidError([why], 'this policy of the mesh')
  }
}

/** Whether stored bytes are of this mesh; of others nothing is said. */
export function isOfMesh(bytes: Uint8Array, mesh: MeshId): boolean {
  try {
    const { signed } = outerSchema.parse(decodeCbor(bytes))
    return signedSchema.parse(decodeCbor(signed)).mesh === mesh
  } catch {
    return true // Whoever reads it will say what is wrong with it.
  }
}

/** Whether `one` takes the place of `other` (M1). */
export function isNewer(
  one: Pick<MeshPolicy, 'version' | 'digest'>,
  other: Pick<MeshPolicy, 'version' | 'digest'> | null
): boolean {
  if (other === null || one.version !== other.version) return one.version > (other?.version ?? 0)
  return one.digest > other.digest
}

/** M1. `isAdmin`: its author is one now. */
export function isVoid({ version }: Pick<MeshPolicy, 'version'>, isAdmin: boolean): boolean {
  return version > POLICY_VERSION_COUNTED_MAX && !isAdmin
}

/** Whether `one` takes the place of a void one: an older one that somebody kept does not. */
export function isNewBeginning({ version }: Pick<MeshPolicy, 'version'>): boolean {
  return version >= POLICY_VERSION_RESTART && version <= POLICY_VERSION_COUNTED_MAX
}

/** Of the policy after `held`; null: there is none. */
export function nextVersion(
  held: Pick<MeshPolicy, 'version'> | null,
  isHeldVoid: boolean
): number | null {
  if (isHeldVoid) return POLICY_VERSION_RESTART
  const next = (held?.version ?? 0) + 1
  return next > POLICY_VERSION_MAX ? null : next
}

function digestOf(signed: Uint8Array): string {
  return toHex(shake256(DOMAIN, signed))
}
