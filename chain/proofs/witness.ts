// What a witness answers: the add-checkpoint rules of C2SP tlog-witness, as a pure function.
//
// Invariants
//   N1. A witness cosigns only what is consistent with everything it cosigned before.
//   N2. Two signed checkpoints that cannot both be true are evidence, whatever else is answered.

import { equalBytes } from '../../core/index.ts'
import type { SignedCheckpoint } from '../offline/keys.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import { emptyRoot, isConsistent, sha256Pair } from '../offline/tree.ts'

/** RFC 9162 proofs over 2^53 leaves are shorter; C2SP allows no more. */
export const PROOF_LINES_MAX = 63

/** The newest checkpoint that was cosigned for a lane. */
export interface WitnessMemory {
  readonly size: number
  readonly root: Uint8Array
  /** By the owner's clock, in seconds; null where it did not say. */
  readonly time: number | null
}

export interface WitnessRequest {
  readonly oldSize: number
  readonly path: readonly Uint8Array[]
  readonly checkpoint: SignedCheckpoint
}

/** With the statuses of C2SP tlog-witness. */
export type WitnessAnswer =
  | { readonly status: 200 }
  | { readonly status: 400 }
  /** The size of the checkpoint that was cosigned last. */
  | { readonly status: 409; readonly size: number }
  | { readonly status: 422 }

export interface WitnessVerdict {
  readonly answer: WitnessAnswer
  /** How the checkpoint and the one remembered contradict each other, if they do (N2). */
  readonly contradiction: 'checkpoints' | 'truncation' | null
}

export function judgeCheckpoint(
  memory: WitnessMemory | null,
  request: WitnessRequest
): WitnessVerdict {
  const contradiction = memory === null ? null : contradictionOf(memory, request.checkpoint)
  return { answer: answerTo(memory, request), contradiction }
}

function answerTo(memory: WitnessMemory | null, request: WitnessRequest): WitnessAnswer {
  const { oldSize, path, checkpoint } = request
  const { size, root } = checkpoint
  if (oldSize > size || path.length > PROOF_LINES_MAX) return { status: 400 }
  const known = memory?.size ?? 0
  if (oldSize !== known) return { status: 409, size: known }
  if (size === 0 && !equalBytes(root, emptyRoot(nodePrimitives))) return { status: 422 }
  const oldRoot = memory?.root ?? emptyRoot(nodePrimitives)
  const growth = { oldSize, oldRoot, size, root, path }
  return isConsistent(growth, sha256Pair(nodePrimitives)) ? { status: 200 } : { status: 422 }
}

/**
 * One size with two roots; or a smaller tree that its owner called the largest it had, at a later time than
 * the larger one.
 */
function contradictionOf(
  memory: WitnessMemory,
  { size, root, time }: SignedCheckpoint
): WitnessVerdict['contradiction'] {
  if (size === memory.size) return equalBytes(root, memory.root) ? null : 'checkpoints'
  const isShorter = size < memory.size
  const isLater = time !== null && memory.time !== null && time > memory.time
  return isShorter && isLater ? 'truncation' : null
}
