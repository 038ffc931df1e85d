// Handing over to another key, at a start, under the old key, before anything else happens.
//
//   identity.next is there -> the old lane ends with `key.rotated`, signed by both keys -> the members hear
//   it, block and checkpoint first, then the statement -> identity.next becomes identity.key.
//
// Invariants
//   K1. Before the last entry is written nothing has changed: with no member in reach the old key goes on.
//   K2. After it the old key writes nothing more. A crash at any point repeats what follows, at the next
//       start, to the same end: every step is one that may be done twice.
//   K3. The old key is gone from the disk only when its lane, its last checkpoint and the statement are on it.

import { rotationDraft } from '../chain/index.ts'
import type { Clock, KeyValueStore, Signer } from '../core/index.ts'
import { confirmOwnLane, startedMark } from './chain-repair.ts'
import type { Kernel } from './kernel.ts'
import { REPAIR_POLL_MS, ROTATION_WAIT_MS } from './limits.ts'
import type { Rooms } from './rooms.ts'

export interface RotationKeys {
  readonly old: Signer
  readonly next: Signer
}

/**
 * Does all but the exchange of the key files, with a kernel that was built and not started; ends it.
 * @returns false where it must wait: no member could be reached (K1)
 */
export async function handOver(
  kernel: Kernel,
  { old, next }: RotationKeys,
  { store, signal }: { readonly store: KeyValueStore; readonly signal: AbortSignal }
): Promise<boolean> {
  const { rooms } = kernel
  const { mesh, chain, ledger, witness, log } = rooms
  try {
    await mesh.start()
    const isAlone = mesh.status().members < 2
    const isHeard = isAlone || (await isConnectedSoon(rooms, signal))
    if (chain.heir() === null) {
      if (!isHeard) {
        log.error('The change of key waits: no member could be reached')
        return false
      }
      await confirmOwnLane(rooms, signal)
      await ledger.record([rotationDraft(old, next)])
      // From here the old lane has ended, whatever happens (K2).
    }
    await kernel.flushed()
    await witness.checkpointNow().catch((error: unknown) => {
      log.warn('Cannot have the last checkpoint witnessed', { error: String(error) })
    })
    // A start before this one may have come so far.
    if (mesh.isMember(old.nodeId)) {
      const { confirmed, outstanding } = await mesh.acts.handOver(next)
      log.info('The members know the new key', { confirmed: confirmed.length })
      if (outstanding.length > 0)
        log.warn('Some members hear of it later', { outstanding: outstanding.length })
    }
    await startedMark.clear(store)
    return true
  } finally {
    await kernel.stop(null)
  }
}

async function isConnectedSoon(
  { clock, mesh }: { readonly clock: Clock; readonly mesh: Rooms['mesh'] },
  signal: AbortSignal
): Promise<boolean> {
  const end = clock.now() + ROTATION_WAIT_MS
  while (mesh.status().connected === 0) {
    if (clock.now() >= end) return false
    await clock.sleep(REPAIR_POLL_MS, signal)
  }
  return true
}
