// What makes the keys of a file meaningful: the mesh that it names, and whether lanes and witnesses are
// of its members.

import { hex } from './bytes.ts'
import { Malformed } from './errors.ts'
import { readCheckpoint } from './keys.ts'
import type { SignedCheckpoint } from './keys.ts'
import { foldMembers } from './fold.ts'
import { readStatement } from './membership.ts'
import type { MeshMember } from './membership.ts'
import type { Primitives } from './primitives.ts'
import type { Findings } from './report.ts'

export type Members = ReadonlyMap<string, MeshMember>

/** The members, or none with the problem noted. */
export function checkMesh(
  primitives: Primitives,
  { mesh, statements }: { readonly mesh: string; readonly statements: readonly Uint8Array[] },
  findings: Findings
): Members {
  findings.mesh = mesh
  try {
    const read = statements.map((bytes) => readStatement(primitives, bytes))
    findings.signatures += read.length
    const members = foldMembers(mesh, read)
    findings.members = [...members.values()]
    return members
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    findings.file('CHAIN_MEMBERSHIP_INVALID', `The membership does not hold: ${error.message}`)
    return new Map()
  }
}

/** The key that `lane` took over from, by the statements of the file. */
export function predecessorOf(lane: string, members: Members): string | null {
  const before = [...members.values()].find(({ heir }) => heir === lane)
  return before?.node ?? null
}

export function checkOwner(lane: string, members: Members, findings: Findings): void {
  if (members.has(lane)) return
  const message = `Lane ${lane} is of no member of the mesh that the file names`
  findings.file('CHAIN_LANE_UNKNOWN', message, lane)
}

export interface NoteOf {
  readonly lane: string
  readonly note: Uint8Array
  readonly mlDsa44: Uint8Array | null
  readonly members: Members
}

/**
 * The checkpoint of a lane with all its lines. In a file each line must be of a key that the file makes
 * known; null where the owner's own signature does not stand.
 */
export function checkNote(
  primitives: Primitives,
  { lane, note, mlDsa44, members }: NoteOf,
  findings: Findings
): SignedCheckpoint | null {
  let checkpoint: SignedCheckpoint
  try {
    checkpoint = readCheckpoint(primitives, note, mlDsa44)
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    findings.file(
      'CHAIN_CHECKPOINT_INVALID',
      `The checkpoint does not hold: ${error.message}`,
      lane
    )
    return null
  }
  findings.signatures += checkpoint.signatures
  if (checkpoint.lane !== lane) {
    findings.file('CHAIN_CHECKPOINT_INVALID', 'The checkpoint is of another lane', lane)
    return null
  }
  for (const { name } of checkpoint.unknown) {
    const message = `The checkpoint has a signature of a key that the file does not explain: ${name}`
    findings.file('CHAIN_SIGNER_UNKNOWN', message, lane)
  }
  const witnesses = checkpoint.witnesses.flatMap(({ node, time }) => {
    const member = node === lane ? undefined : members.get(node)
    // Whoever was evicted may have lost its key: nothing shows when it signed.
    if (member?.role === 'admin' || member?.role === 'member')
      return { node, name: member.name, time }
    const message = `The checkpoint is cosigned by ${node}, which may not witness it`
    findings.file('CHAIN_WITNESS_UNKNOWN', message, lane)
    return []
  })
  const { size, root, hasMlDsa } = checkpoint
  findings.checkpoints.push({ lane, size, root: hex(root), hasMlDsa, witnesses })
  return checkpoint
}
