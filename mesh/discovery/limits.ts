// Bounds of looking for members.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** A member that is away this long is asked for: by then the dialler has tried all it knows twice. */
export const SEARCH_DELAY_MIN_MS: Millis = millis(4000)
/** Mostly it sleeps: after 8, 16 ... 600 s again. */
export const SEARCH_DELAY_MAX_MS: Millis = millis(10 * 60_000)
/** A few round trips, each to members that are connected. */
export const SEARCH_TIMEOUT_MS: Millis = millis(5000)
/** Each asks some three members at once. */
export const SEARCHES_AT_ONCE_MAX = 4

// Ports on the router

/** Routers answer a search within a second (MX), some twice. */
export const GATEWAY_SEARCH_MS: Millis = millis(2000)
/** One request to a router: they are slow machines. */
export const GATEWAY_TIMEOUT_MS: Millis = millis(3000)
/** A description of a router is some 5 kB. */
export const GATEWAY_ANSWER_BYTES_MAX: number = 64 * 1024
/** Machines that say they are routers which are asked at all. */
export const GATEWAYS_MAX = 3
/** Seconds for which a port stays open when nobody renews it. */
export const MAPPING_LEASE_S = 3600
/** A third of that, so that two renewals may fail; and how often a router is looked for where none was. */
export const MAPPING_LOOK_MS: Millis = millis(20 * 60_000)
/** The same port, and the next ones where others have it. */
export const MAPPING_PORT_TRIES = 4
