// Whether the next sync of a file is worth the way to another thread. Where syncs take less time than that
// way and back, one made on the spot makes a durable append faster; where the disk really turns or travels,
// nothing else may wait for it.
//
// Invariants
//   P1. After a sync that was not quick, those that follow are made elsewhere until SYNCS_QUICK_MIN in a row
//       were quick again.
//   P2. At most SYNCS_ON_THE_SPOT_MAX in a row are made on the spot: then the event loop gets its turn.

import { SYNC_QUICK_MS, SYNCS_ON_THE_SPOT_MAX, SYNCS_QUICK_MIN } from './limits.ts'

export interface SyncPace {
  readonly quickInARow: number
  readonly onTheSpotInARow: number
}

export const SYNC_PACE_START: SyncPace = { quickInARow: 0, onTheSpotInARow: 0 }

export function isOnTheSpot({ quickInARow, onTheSpotInARow }: SyncPace): boolean {
  return quickInARow >= SYNCS_QUICK_MIN && onTheSpotInARow < SYNCS_ON_THE_SPOT_MAX
}

/** After a sync that was made as `isOnTheSpot` said. */
export function afterSync(pace: SyncPace, tookMs: number): SyncPace {
  return {
    quickInARow: tookMs <= SYNC_QUICK_MS ? pace.quickInARow + 1 : 0,
    onTheSpotInARow: isOnTheSpot(pace) ? pace.onTheSpotInARow + 1 : 0
  }
}
