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
