// Every error of the mesh, with its code, its retry class and the next step in the message.
// mesh/rpc has its own for what happens on a session; both are listed in docs/errors.md.

import { WeaverError } from '../core/index.ts'
import type { Retry, WeaverErrorOptions } from '../core/index.ts'

const ASK_AGAIN = "ask for a new one with 'weaver mesh invite'"

export type MeshErrorCode =
  | 'MESH_ADMISSION_FAILED'
  | 'MESH_ALREADY_CONNECTED'
  | 'MESH_ALREADY_MEMBER'
  | 'MESH_ANSWER_INVALID'
  | 'MESH_DOCUMENT_INVALID'
  | 'MESH_APPROVAL_PENDING'
  | 'MESH_DUPLICATE_IDENTITY'
  | 'MESH_EVICTED'
  | 'MESH_HELLO_REFUSED'
  | 'MESH_INVITE_DAMAGED'
  | 'MESH_INVITE_EXPIRED'
  | 'MESH_INVITE_INVALID'
  | 'MESH_INVITE_UNKNOWN'
  | 'MESH_INVITE_UNSUPPORTED'
  | 'MESH_INVITE_USED'
  | 'MESH_INVITER_UNREACHABLE'
  | 'MESH_JOIN_BUSY'
  | 'MESH_LAST_ADMIN'
  | 'MESH_LIMIT_REACHED'
  | 'MESH_MESSAGE_INVALID'
  | 'MESH_NAME_TAKEN'
  | 'MESH_NOT_ADMIN'
  | 'MESH_NOT_MEMBER'
  | 'MESH_NO_MESH'
  | 'MESH_NODE_ID_MISTYPED'
  | 'MESH_PEER_SILENT'
  | 'MESH_PROTOCOL_UNSUPPORTED'
  | 'MESH_ROW_INVALID'
  | 'MESH_STATEMENT_INVALID'
  | 'MESH_STOPPED'
  | 'MESH_STORE_DAMAGED'
  | 'MESH_WRONG_MESH'

/** A failure of the mesh. Callers branch on `code` and `retry`. */
export class MeshError extends WeaverError {
  constructor(code: MeshErrorCode, message: string, options: WeaverErrorOptions = {}) {
    super(code, message, options)
  }
}

export function peerSilent(): MeshError {
  return new MeshError('MESH_PEER_SILENT', 'Cut: the peer does not answer')
}

/** Why a join was not done, in the words of a person who pasted a line. */
export function joinRefusal(code: JoinRefusalCode, name: string, cause?: unknown): MeshError {
  const { message, retry } = JOIN_REFUSALS[code]
  return new MeshError(code, message.replaceAll('{name}', name), { retry, cause })
}

/** The refusals that an inviter may send, and nothing else: its text is never shown as it came. */
export type JoinRefusalCode =
  | 'MESH_ADMISSION_FAILED'
  | 'MESH_APPROVAL_PENDING'
  | 'MESH_EVICTED'
  | 'MESH_INVITE_EXPIRED'
  | 'MESH_INVITE_INVALID'
  | 'MESH_INVITE_UNKNOWN'
  | 'MESH_INVITE_USED'
  | 'MESH_JOIN_BUSY'
  | 'MESH_LIMIT_REACHED'
  | 'MESH_MESSAGE_INVALID'
  | 'MESH_NAME_TAKEN'
  | 'MESH_NOT_ADMIN'
  | 'MESH_WRONG_MESH'

const JOIN_REFUSALS: Readonly<
  Record<JoinRefusalCode, { readonly message: string; readonly retry: Retry }>
> = {
  MESH_APPROVAL_PENDING: {
    message:
      'Cannot join yet: this mesh asks for the signatures of more admins; have one run ' +
      "'weaver mesh approve' there, then join again with the same invite",
    retry: 'later'
  },
  MESH_EVICTED: {
    message:
      'Cannot join: this node was evicted from the mesh, and its key stays out; ' +
      'start with a new WEAVER_HOME',
    retry: 'never'
  },
  MESH_INVITE_EXPIRED: {
    message: `Cannot join: the invite has expired; ${ASK_AGAIN}`,
    retry: 'never'
  },
  MESH_INVITE_INVALID: {
    message: `Cannot join: the inviter did not make this invite (its secret is wrong); ${ASK_AGAIN}`,
    retry: 'never'
  },
  MESH_INVITE_UNKNOWN: {
    message: `Cannot join: the inviter does not know this invite, or withdrew it; ${ASK_AGAIN}`,
    retry: 'never'
  },
  MESH_INVITE_USED: {
    message: `Cannot join: the invite was already used; ${ASK_AGAIN}`,
    retry: 'never'
  },
  MESH_JOIN_BUSY: {
    message: 'Cannot join: the inviter is busy with other joins; try again in a few seconds',
    retry: 'later'
  },
  MESH_LIMIT_REACHED: {
    message: 'Cannot join: the mesh has as many members as it may have; remove one first',
    retry: 'never'
  },
  MESH_MESSAGE_INVALID: {
    message: 'Cannot join: the inviter did not understand the request; run one version on both',
    retry: 'never'
  },
  MESH_NAME_TAKEN: {
    message: "Cannot join: the name '{name}' is taken in this mesh; start with another --name",
    retry: 'never'
  },
  MESH_NOT_ADMIN: {
    message: 'Cannot join: the inviter may not admit members; ask an admin for an invite',
    retry: 'never'
  },
  MESH_WRONG_MESH: {
    message: `Cannot join: the inviter has left the mesh of this invite; ${ASK_AGAIN}`,
    retry: 'never'
  },
  MESH_ADMISSION_FAILED: {
    message: 'Cannot join: the inviter could not record the admission; look at its log, then retry',
    retry: 'later'
  }
}

export function isJoinRefusalCode(text: string): text is JoinRefusalCode {
  return Object.hasOwn(JOIN_REFUSALS, text)
}
