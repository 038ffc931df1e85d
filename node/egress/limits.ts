// Every bound of the way out. Reaching one closes a connection or makes it wait, never the kernel.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** Connections of one process at once: browsers and package managers open a few dozen. More wait to be accepted. */
export const CONNECTIONS_MAX = 128
/** Bytes of a request's head. Servers take 8 to 16 KiB. */
export const HEAD_BYTES_MAX: number = 16 * 1024
/** Bytes of one read of what goes through the kernel itself: heads, and what is searched for secrets. */
export const READ_BYTES: number = 64 * 1024
/** For the carrier to listen: it takes 10 ms on a machine at rest. */
export const CARRIER_START_MS: Millis = millis(10_000)
/** For a client inside to say where it wants to go. */
export const HEAD_WAIT_MS: Millis = millis(10_000)
/** For a name to be resolved and a host to answer. */
export const CONNECT_WAIT_MS: Millis = millis(15_000)
/** For a client that was refused to read why, and to close. */
export const REFUSED_WAIT_MS: Millis = millis(5000)
/** Addresses of one name that are tried. */
export const ADDRESSES_TRIED_MAX = 4
/** A connection on which no byte passes: long polls rest for minutes. */
export const IDLE_MS: Millis = millis(10 * 60_000)
/** From its first to its last byte, whatever passes. */
export const LIFE_MS: Millis = millis(24 * 3_600_000)
/** For the carrier to say, at the end, what has moved. */
export const LAST_COUNT_MS: Millis = millis(2000)
/** Between two looks at who is idle. */
export const LOOK_MS: Millis = millis(10_000)
/** Until the first entry of what went on; then twice as long each time, up to the next. */
export const TELL_FIRST_MS: Millis = millis(10_000)
/** So a process that never rests costs 150 entries a day, of at most 50 kB. */
export const TELL_MAX_MS: Millis = millis(10 * 60_000)
/** Destinations that are told apart in the record of one process; the rest is counted as one. */
export const HOSTS_RECORDED_MAX = 256
/** Refused destinations of one process that are told apart: a scan must not fill the chain. The rest is counted as one. */
export const REFUSALS_RECORDED_MAX = 64
/** Ended connections told one by one in an entry; the rest of them is in the totals of their destinations. */
export const ENDED_RECORDED_MAX = 64
