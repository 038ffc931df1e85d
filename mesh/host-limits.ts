// Bounds of the libp2p host, which has no resource manager of its own.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

/** Handshakes under way at once. One takes about 50 ms of a loaded core; strangers cost this much at most. */
export const PENDING_INBOUND_MAX = 64
/** Of these from one address, or one IPv6 network: three more addresses that stall leave room for others. */
export const HANDSHAKES_PER_ADDRESS_MAX: number = PENDING_INBOUND_MAX / 4
/** New connections a second from one address: a household behind one NAT that wakes up together. */
export const INBOUND_PER_SECOND_MAX = 50
/** Connections in all: 1024 members, some twice for a moment while both sides dial. */
export const CONNECTIONS_MAX = 1536
/** From the TCP accept to the multiplexer. As libp2p's default. */
export const UPGRADE_TIMEOUT_MS: Millis = millis(10_000)
/** As libp2p's default; one round trip. */
export const NEGOTIATION_TIMEOUT_MS: Millis = millis(10_000)
/** For streams to end in good order when a connection closes. */
export const CLOSE_TIMEOUT_MS: Millis = millis(1000)
/** Streams of one protocol and direction on one connection; a peer needs one, two while it renews it. */
export const STREAMS_PER_PROTOCOL_MAX = 8
/** Circuits that one member may have through us, or we through it, at a time. */
export const CIRCUITS_PER_CONNECTION_MAX = 64
/** Streams of one direction on one connection: 16 services and hello, twice, and the circuits. */
export const STREAMS_PER_CONNECTION_MAX: number = 32 + CIRCUITS_PER_CONNECTION_MAX
/** Streams that arrive in the moment between the handshake and `connected`. */
export const EARLY_STREAMS_MAX = 4

/** Unread bytes at which a stream stops taking more. */
export const READ_BUFFER_PAUSE_BYTES: number = 256 * 1024
/** Unread bytes at which it goes on: half, so that the sender never runs dry. */
export const READ_BUFFER_RESUME_BYTES: number = 128 * 1024
/** Credit of a stream that its sender is not told of yet: half of yamux's first window, which is the smallest. */
export const CREDIT_WITHHELD_BYTES_MAX: number = 128 * 1024
/** Streams of one connection whose credit is kept: both directions, and some that have ended. */
export const CREDIT_STREAMS_MAX: number = 4 * STREAMS_PER_CONNECTION_MAX
/** Unsent bytes above which `write` waits. */
export const WRITE_BUFFER_BYTES_MAX: number = 128 * 1024
/**
 * The most a peer may send without being read, per stream: 100 MB/s x 20 ms. What arrives in a pause is
 * at most this, so the read buffer must hold it: libp2p's own 16 MiB here against 4 MiB there resets
 * the stream of a slow reader.
 */
export const STREAM_WINDOW_BYTES_MAX: number = 2 * 1024 * 1024
/** libp2p's bound, above which it resets the stream: one window, and what was dispatched before a pause. */
export const STREAM_READ_BUFFER_BYTES_MAX: number = 2 * STREAM_WINDOW_BYTES_MAX
/**
 * Keeps the way through NATs and firewalls open (many forget after 30 s), and measures the round trip for
 * yamux. It does not find dead connections: the pulse does, within seconds.
 */
export const KEEP_ALIVE_MS: Millis = millis(15_000)
/** Up to here a message's parts are copied into one for its write; above, gathering them costs less. */
export const JOINED_WRITE_BYTES_MAX: number = 4 * 1024
/** Up to here the cipher in WASM is as quick as Node's, which makes three objects for a message. */
export const WASM_CIPHER_BYTES_MAX = 400
/** A socket on which not even keep-alives went for this long is cut. */
export const SOCKET_IDLE_MAX_MS: Millis = millis(120_000)

/** Head start of each address over the next (RFC 8305 says 250 ms). */
export const DIAL_STAGGER_MS: Millis = millis(250)
/** Addresses of one dial. */
export const DIAL_ADDRESSES_MAX = 16

// Relay for members. Each circuit is bounded by yamux's windows on both sides, not by time or bytes.

/** Members that this node relays for: all that a mesh may have. */
export const RESERVATIONS_MAX = 1024
/** Made again long before that, and with every new connection; see RESERVATION_RENEW_MS. */
export const RESERVATION_TTL_MS: Millis = millis(60 * 60_000)
/** From a member's wish to the other end's answer. */
export const CIRCUIT_TIMEOUT_MS: Millis = millis(5000)

// Identify and ping, for members that speak plain libp2p.

/** One is used for a moment; another while it renews. */
export const IDENTIFY_STREAMS_MAX = 2
/** One per client, and one more while it renews. */
export const PING_STREAMS_MAX = 2
/** A ping stream that goes on is ended then; the client opens another one. */
export const PING_STREAM_MS: Millis = millis(60_000)

// The hash table of the members

/** Streams of one member at a time: a lookup asks three at once. */
export const TABLE_STREAMS_MAX = 16
/** How often each looks at its neighbourhood: members are told of each other anyway. */
export const TABLE_REFRESH_MS: Millis = millis(60 * 60_000)
/** What members say they have, 200 bytes each. */
export const PROVIDER_RECORDS_MAX: number = 64 * 1024

/** How often the LAN is asked for members that may be there: one small packet. Answers come at once. */
export const MULTICAST_QUERY_MS: Millis = millis(5000)
/**
 * For how long, after a member was lost, a wake-up or another network; less where nobody is missing. Whoever comes
 * later asks itself.
 */
export const MULTICAST_SEEK_MS: Millis = millis(60_000)
/** And from then on: every member on the LAN answers each question. */
export const MULTICAST_QUERY_REST_MS: Millis = millis(60_000)
