// Every bound and default of an RPC session. Both ends run the same figures: they are part of
// version 1 of the protocol.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** Payload of one frame on the wire: 0.4 ms at the 150 MB/s of one connection, so control never waits long. */
export const CHUNK_BYTES_MAX: number = 64 * 1024
/** One request or result, cut into chunks on the wire. Larger things go through the call's channel. */
export const MESSAGE_BYTES_MAX: number = 4 * 1024 * 1024
/** Its length travels in one byte. */
export const METHOD_LENGTH_MAX = 255

/** Bytes one direction of one call may have on the way or unread, to begin with: 10 MB/s x 25 ms. */
export const CHANNEL_WINDOW_BYTES: number = 256 * 1024
/** What the window may grow to while its reader keeps up: 20 MB/s x 100 ms. As a yamux stream's. */
export const CHANNEL_WINDOW_BYTES_MAX: number = 2 * 1024 * 1024
/** By how much all windows of one session may have grown: eight calls at their largest. */
export const WINDOW_GROWTH_BYTES_MAX: number = 16 * 1024 * 1024
/** What a chunk costs of the window beside its bytes: so many empty frames are as bounded as large ones. */
export const CHANNEL_CHUNK_COST = 32
/** One frame of a channel. In pieces of PIECE_BYTES_MIN it costs 248 KiB: less than the smallest window (C2). */
export const CHANNEL_FRAME_BYTES_MAX: number = 240 * 1024
/** A sender waits from here on: one chunk under way and one ready is all that the writer can use. */
export const CHANNEL_QUEUED_BYTES_MAX: number = 128 * 1024

/**
 * Frames of one peer that are taken in one turn of the event loop before others have theirs: more than come
 * at once from a caller with 50 calls in flight, and 3 ms of work at 50 us each.
 */
export const FRAMES_PER_TURN_MAX = 64
/** Their bytes: what one stream may bring at once, its window; they are passed on, not copied. */
export const BYTES_PER_TURN_MAX: number = 2 * 1024 * 1024
/** And the time that they take here, where they are costly: a loop turn stays as short with any peer. */
export const TURN_MS: Millis = millis(4)
/** While others send too: then each of several that send much has so long. */
export const TURN_CONTENDED_MS: Millis = millis(2)
/** Others send too: one of them has, in this time. */
export const CONTENDED_MS: Millis = millis(250)
/**
 * What a millisecond gives back: 64,000 frames or 256 MB a second, more than one connection carries. Whoever
 * is over that waits one turn of the event loop each time, more where others wait too.
 */
export const FRAMES_PER_MS = 64
export const BYTES_PER_MS: number = 256 * 1024
/** And of a millisecond this part itself: who takes more than half of the processor waits as well. */
export const TURN_TIME_SHARE = 0.5
/** Or, while others send too, a fifth of it. */
export const TURN_TIME_SHARE_CONTENDED = 0.2
/** A peer that had to wait counts as one that sends much, until it has been quiet for so long. */
export const PRESSED_MS: Millis = millis(10)
/** What one small frame leaves behind outside of V8's heap: its share of a packet, and an answer. */
export const FRAME_GARBAGE_BYTES = 512
/** Frames that are taken before the time is looked at. */
export const FRAMES_PER_PART = 16
/** Calls of one peer under way, on all sessions together. 20 times what saturates a connection (50). */
export const CALLS_PENDING_MAX = 1024
/** Requests of one peer being served, in bytes; eight of the largest. */
export const REQUEST_BYTES_MAX: number = 32 * 1024 * 1024
/**
 * What channels of one peer's calls may hold together that nobody has read: 256 calls whose readers have stopped.
 * The call that goes beyond is refused with MESH_PEER_BUSY.
 */
export const UNREAD_BYTES_MAX: number = 64 * 1024 * 1024
/** Of both kinds of bytes, what each peer has for itself: two of the largest requests, or 32 calls that are not read. */
export const OWN_BYTES: number = 8 * 1024 * 1024
/** And what all peers have together beyond that: several that flood cost little more memory than one. */
export const SHARED_BYTES_MAX: number = 64 * 1024 * 1024
/** Answers that wait for a slow caller. Above, its next requests are not even read. */
export const QUEUED_BYTES_MAX: number = 8 * 1024 * 1024
/**
 * One write to the stream: what fits one yamux frame (its header 12 bytes) in one Noise message (65,519).
 * Some bytes more make two of the first and three of the second.
 */
export const BATCH_BYTES_MAX: number = 65_519 - 12
/** A channel's frame is cut where a write is full, but into no smaller piece than this. */
export const PIECE_BYTES_MIN = 1024

/** Some lines of text for people: enough to say what failed and what to do. */
export const ERROR_MESSAGE_LENGTH_MAX = 1024
/** An encoded error: its message in UTF-8 at up to 3 bytes a character, its code, and CBOR around them. */
export const ERROR_BYTES_MAX: number = 4096

/** Longer than any answer that is not streamed takes on a loaded machine. */
export const CALL_TIMEOUT_MS: Millis = millis(30_000)
/** One round trip and a busy peer. As libp2p's own negotiation timeout. */
export const STREAM_OPEN_TIMEOUT_MS: Millis = millis(10_000)
