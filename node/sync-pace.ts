// Whether the next sync of a file is worth the way to another thread. Where syncs take less time than that
// way and back, one made on the spot makes a durable append faster; where the disk really turns or travels,
// nothing else may wait for it.
//
// Invariants
//   P1. After a sync that was not quick, those that follow are made elsewhere until SYNCS_QUICK_MIN in a row
//       were quick again.
//   P2. At most SYNCS_ON_THE_SPOT_MAX in a row are made on the spot: then the event loop gets its turn.
//   P3. A sync of more than SYNC_SPOT_BYTES_MAX is made elsewhere, and says nothing of the next small one.

import {
  SYNC_QUICK_MS,
  SYNC_SPOT_BYTES_MAX,
  SYNCS_ON_THE_SPOT_MAX,
  SYNCS_QUICK_MIN
} from './limits.ts'

export interface SyncPace {
  readonly quickInARow: number
  readonly onTheSpotInARow: number
}

export const SYNC_PACE_START: SyncPace = { quickInARow: 0, onTheSpotInARow: 0 }

/** `bytes` is what has been written since the last sync. */
export function isOnTheSpot({ quickInARow, onTheSpotInARow }: SyncPace, bytes: number): boolean {
  return (
    bytes <= SYNC_SPOT_BYTES_MAX &&
    quickInARow >= SYNCS_QUICK_MIN &&
    onTheSpotInARow < SYNCS_ON_THE_SPOT_MAX
  )
}

/** After a sync that was made as `isOnTheSpot` said. */
export function afterSync(pace: SyncPace, bytes: number, tookMs: number): SyncPace {
  if (bytes > SYNC_SPOT_BYTES_MAX) return { ...pace, onTheSpotInARow: 0 } // P3
  return {
    quickInARow: tookMs <= SYNC_QUICK_MS ? pace.quickInARow + 1 : 0,
    onTheSpotInARow: isOnTheSpot(pace, bytes) ? pace.onTheSpotInARow + 1 : 0
  }
}
