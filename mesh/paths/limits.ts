// Bounds of finding and keeping paths.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** Members that each node asks to relay for it: any two nodes with a few members between share one. */
export const RELAYS_MAX = 8
/** A third of the life of a reservation, so that two renewals may fail. */
export const RESERVATION_RENEW_MS: Millis = millis(20 * 60_000)
/** One round trip over a connection that is there, with two retransmissions. */
export const RESERVE_TIMEOUT_MS: Millis = millis(3000)
/** A relay that refuses is asked again after 1, 2, 4 ... 60 s. */
export const RESERVE_DELAY_MIN_MS: Millis = millis(1000)
export const RESERVE_DELAY_MAX_MS: Millis = millis(60_000)
/** Relays that one dial tries: each costs a round trip when it does not know the peer. */
export const RELAYS_PER_DIAL_MAX = 4

/** A better path is looked for 1, 2, 4 ... 60 s after the connection, and again after each change. */
export const UPGRADE_DELAY_MIN_MS: Millis = millis(1000)
export const UPGRADE_DELAY_MAX_MS: Millis = millis(60_000)
/** How long calls may go on over a connection that a better one has replaced. */
export const RETIRE_MAX_MS: Millis = millis(10 * 60_000)
/** How often it is looked whether they have ended; also time for the peer to learn of the new one. */
export const RETIRE_LOOK_MS: Millis = millis(1000)

/** Addresses that a member does not state any more and that are tried all the same: its last places. */
export const STALE_ADDRESSES_MAX = 3
/** Addresses per member that came from the LAN's multicast: anybody can send these. */
export const HINTS_PER_PEER_MAX = 4

/** Dials that failed one after another, without any connection, before the host is suspected ... */
export const FAULTS_BEFORE_RESTART = 40
/** ... and for at least so long. */
export const FAULTY_BEFORE_RESTART_MS: Millis = millis(120_000)
/** A restart of the host is never repeated sooner. */
export const RESTART_INTERVAL_MS: Millis = millis(30_000)

/** Everything that `mesh netcheck` asks runs at once and has this long; it promises five seconds. */
export const NETCHECK_TIMEOUT_MS: Millis = millis(3000)
/** As long as a pulse may take: what does not answer then is called unreachable. */
export const PING_TIMEOUT_MS: Millis = millis(3000)
