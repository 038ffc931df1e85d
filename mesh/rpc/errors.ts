// The errors of RPC, and the form in which errors cross the wire: [retry, code, message].

import { decodeCbor, encodeCbor, WeaverError } from '../../core/index.ts'
import type { NodeId, Retry } from '../../core/index.ts'
import { ERROR_BYTES_MAX, ERROR_MESSAGE_LENGTH_MAX } from './limits.ts'

/** The peer broke the protocol: the session ends, and everything on it fails. */
export function protocolViolated(what: string): WeaverError {
  return new WeaverError('MESH_PROTOCOL_VIOLATED', `Cannot read from the peer: ${what}`)
}

export function peerUnreachable(peer: NodeId, cause?: unknown): WeaverError {
  const options = cause === undefined ? {} : { cause }
  return new WeaverError('MESH_PEER_UNREACHABLE', `Cannot reach ${peer}: no connection`, {
    retry: 'later',
    ...options
  })
}

export function callTimedOut(method: string, timeoutMs: number): WeaverError {
  return new WeaverError(
    'MESH_CALL_TIMED_OUT',
    `Cannot complete '${method}': no answer within ${timeoutMs} ms`,
    { retry: 'later' }
  )
}

export function callCancelled(cause: unknown): WeaverError {
  return new WeaverError('MESH_CALL_CANCELLED', 'Cannot complete the call: it was cancelled', {
    cause
  })
}

/** Pushback: nothing was done, and the same call may succeed a little later. */
export function peerBusy(what: string): WeaverError {
  return new WeaverError('MESH_PEER_BUSY', `Cannot take another call: ${what}`, { retry: 'later' })
}

export function messageTooLarge(size: number, max: number): WeaverError {
  return new WeaverError(
    'MESH_MESSAGE_TOO_LARGE',
    `Cannot send ${size} bytes at once: must be <= ${max}`
  )
}

const RETRIES: readonly Retry[] = ['never', 'later', 'elsewhere']
const CODE_PATTERN = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/
const CODE_LENGTH_MAX = 64

/** What a peer may know of a failure here: nothing but a WeaverError's code, message and retry class. */
export function encodeError(error: unknown): Uint8Array {
  if (!(error instanceof WeaverError)) return encodeError(remoteFailed('the peer failed'))
  const message = error.message.slice(0, ERROR_MESSAGE_LENGTH_MAX).toWellFormed()
  return encodeCbor([RETRIES.indexOf(error.retry), error.code, message])
}

/** The error that a peer sent. Bytes that are none become `MESH_REMOTE_FAILED`. */
export function decodeError(bytes: Uint8Array): WeaverError {
  const [retryIndex, code, message] = decodedFields(bytes)
  const retry = typeof retryIndex === 'number' ? RETRIES[retryIndex] : undefined
  const isKnownForm =
    retry !== undefined &&
    typeof code === 'string' &&
    code.length <= CODE_LENGTH_MAX &&
    CODE_PATTERN.test(code) &&
    typeof message === 'string' &&
    message.length <= ERROR_MESSAGE_LENGTH_MAX
  if (!isKnownForm) return remoteFailed('the peer sent an error that cannot be read')
  return new WeaverError(code, message, { retry })
}

function decodedFields(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length > ERROR_BYTES_MAX) return []
  try {
    const fields = decodeCbor(bytes)
    return Array.isArray(fields) && fields.length === 3 ? fields : []
  } catch {
    return [] // Said by the caller: it cannot be read.
  }
}

function remoteFailed(why: string): WeaverError {
  return new WeaverError('MESH_REMOTE_FAILED', `Cannot complete the call: ${why}`)
}
