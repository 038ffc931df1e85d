// Every bound and default of blobs. The first three are part of version 1 of the format.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** A chunk is hashed in 0.5 ms, so that nothing else waits long; a lost connection costs a few of them. */
export const BLOB_CHUNK_BYTES: number = 256 * 1024
/** One blob: half a million chunks of 256 KiB. */
export const BLOB_BYTES_MAX: number = 128 * 1024 ** 3
/** The list of the largest blob: 32 bytes a chunk and its head. It is held in memory while it is fetched. */
export const BLOB_LIST_BYTES_MAX: number = 9 + 32 * (BLOB_BYTES_MAX / BLOB_CHUNK_BYTES)

/** What all blobs of a home may take on disk, unless its owner says otherwise. */
export const BLOB_BUDGET_BYTES: number = 10 * 1024 ** 3
/** Blobs of one home: a record of about 100 bytes each in memory, and two files. */
export const BLOBS_MAX = 100_000

/** A piece of a chunk on the wire: one frame of RPC without being cut. */
export const BLOB_PIECE_BYTES: number = 64 * 1024
/** Chunks asked of one source and not yet there: 3 MiB, more than the largest window of a call (2 MiB). */
export const BLOB_CHUNKS_ASKED_MAX = 12
/** Sources of one fetch at a time: more share the same downlink, and each costs 3 MiB of buffers. */
export const BLOB_SOURCES_MAX = 4
/** At the end of a fetch a chunk may be asked of a second source, so that the slowest does not hold up all. */
export const BLOB_COPIES_MAX = 2
/** So much of a fetch is written before the disk is told to begin with it, while more comes. */
export const BLOB_SYNC_BYTES: number = 32 * 1024 * 1024
/** Fetches under way at once on one node. */
export const BLOB_FETCHES_MAX = 8
/** A source that sends nothing for this long is left: ten times the longest pause of a living link. */
export const BLOB_STALL_MS: Millis = millis(10_000)
/** All sources are gone: how long a fetch waits for one to come back before it tells its user. */
export const BLOB_RESUME_WAIT_MS: Millis = millis(30_000)
/** Between two searches for sources while there are none. */
export const BLOB_SEARCH_INTERVAL_MS: Millis = millis(1000)
/** Between two searches for more sources while some bring chunks. */
export const BLOB_MORE_SOURCES_MS: Millis = millis(5000)
/** A source that failed for a reason that may pass is asked again after this. */
export const BLOB_SOURCE_REST_MS: Millis = millis(2000)
/** For a connected member to say whether it has a blob. */
export const BLOB_ASK_TIMEOUT_MS: Millis = millis(3000)
/** Members that are all asked who has a blob: 50 short calls. In a larger mesh content routing says it. */
export const BLOB_ASK_PEERS_MAX = 50

/** What is here is said to the hash table so often: its records last 48 h, and may be lost twice in between. */
export const BLOB_PROVIDE_INTERVAL_MS: Millis = millis(12 * 3_600_000)
/** How often it is looked what to say. */
export const BLOB_PROVIDE_LOOK_MS: Millis = millis(60_000)
/** Said in one look: BLOBS_MAX of them are through in one interval. */
export const BLOB_PROVIDES_PER_LOOK: number = Math.ceil(
  BLOBS_MAX / (BLOB_PROVIDE_INTERVAL_MS / BLOB_PROVIDE_LOOK_MS)
)
/** From half as many members as are asked themselves: nobody asks the table of a smaller mesh. */
export const BLOB_PROVIDE_PEERS_MIN: number = BLOB_ASK_PEERS_MAX / 2

/** Fetches of others that are served at once: two buffers of a chunk each, 8 MiB. */
export const BLOB_SERVES_MAX = 16
/** Those of one member among them, so that one alone cannot take all. */
export const BLOB_SERVES_PER_PEER_MAX = 4
/** A fetcher that neither asks nor reads for this long is let go: three stalls of a slow link. */
export const BLOB_SERVE_IDLE_MS: Millis = millis(30_000)
