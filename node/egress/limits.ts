// Every bound of the way out. Reaching one closes a connection, never the kernel.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** Connections of one process at once: browsers and package managers open a few dozen. */
export const CONNECTIONS_MAX = 128
/** Bytes of a request's head. Servers take 8 to 16 KiB. */
export const HEAD_BYTES_MAX: number = 16 * 1024
/** For a client inside to say where it wants to go. */
export const HEAD_WAIT_MS: Millis = millis(10_000)
/** For a name to be resolved and a host to answer. */
export const CONNECT_WAIT_MS: Millis = millis(15_000)
/** Addresses of one name that are tried. */
export const ADDRESSES_TRIED_MAX = 4
/** A connection on which no byte passes: long polls rest for minutes. */
export const IDLE_MS: Millis = millis(10 * 60_000)
/** From its first to its last byte, whatever passes. */
export const LIFE_MS: Millis = millis(24 * 3_600_000)
/** Between two looks at who is idle, and two entries that tell of what went on. */
export const LOOK_MS: Millis = millis(10_000)
/** Hosts that are told apart in the record of one process; the rest is counted as one. */
export const HOSTS_RECORDED_MAX = 256
/** Entries about refused hosts of one process: a scan must not fill the chain. */
export const REFUSALS_RECORDED_MAX = 64
