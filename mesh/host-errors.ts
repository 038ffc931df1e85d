// The errors of the Network port, for its real and its simulated implementation alike.

import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'

export function listenFailed(address: string, why: string, cause?: unknown): WeaverError {
  return new WeaverError('MESH_LISTEN_FAILED', `Cannot listen on ${address}: ${why}`, { cause })
}

export function dialFailed(nodeId: NodeId, why: string, cause?: unknown): WeaverError {
  return new WeaverError('MESH_DIAL_FAILED', `Cannot dial ${nodeId}: ${why}`, {
    retry: 'later',
    cause
  })
}

export function dialAborted(nodeId: NodeId, cause: unknown): WeaverError {
  return new WeaverError('MESH_DIAL_ABORTED', `Cannot dial ${nodeId}: it was given up`, {
    retry: 'later',
    cause
  })
}

export function streamRefused(protocol: string, cause?: unknown): WeaverError {
  return new WeaverError(
    'MESH_STREAM_REFUSED',
    `Cannot open ${protocol}: the peer does not answer it`,
    { cause }
  )
}

export function streamClosed(why: string, cause?: unknown): WeaverError {
  return new WeaverError('MESH_STREAM_CLOSED', `Cannot use the stream: ${why}`, {
    retry: 'later',
    cause
  })
}

export function connectionClosed(cause?: unknown): WeaverError {
  return new WeaverError('MESH_CONNECTION_CLOSED', 'Cannot use the connection: it is closed', {
    retry: 'later',
    cause
  })
}

export function relayFailed(relay: string, why: string, cause?: unknown): WeaverError {
  return new WeaverError('MESH_RELAY_FAILED', `Cannot use ${relay} as a relay: ${why}`, {
    retry: 'later',
    cause
  })
}

export function routingUnavailable(why: string, cause?: unknown): WeaverError {
  return new WeaverError('MESH_ROUTING_UNAVAILABLE', `Cannot ask the members' table: ${why}`, {
    retry: 'later',
    cause
  })
}
