// Who can be reached, and waiting without polling.

import type { NodeId } from '../core/index.ts'
import type { PeerDirectory } from './ports.ts'

export function isReachable(peers: PeerDirectory, node: NodeId): boolean {
  return peers.candidates().some((peer) => peer.nodeId === node && peer.isReachable)
}

/** What people call the node; its id's end where nobody knows. */
export function nameOf(peers: PeerDirectory, node: NodeId): string {
  return peers.candidates().find((peer) => peer.nodeId === node)?.name ?? `...${node.slice(-8)}`
}

/** Settles as `promise` does, or rejects with `signal.reason` as soon as that aborts. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Resolves as soon as `node` can be called; rejects with `signal.reason` when that aborts. */
export async function untilReachable(
  peers: PeerDirectory,
  node: NodeId,
  signal: AbortSignal
): Promise<void> {
  signal.throwIfAborted()
  if (isReachable(peers, node)) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const stopListening = peers.onChange(() => {
    if (isReachable(peers, node)) resolve()
  })
  try {
    await abortable(promise, signal)
  } finally {
    stopListening()
  }
}
