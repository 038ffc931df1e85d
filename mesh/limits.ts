// Every bound and default of the mesh (those of one RPC session are in rpc/limits.ts).
// Reaching one is a normal outcome.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

// Membership

/** Members of one mesh: full replication of documents is not sensible beyond (docs/scale.md will say). */
export const MEMBERS_MAX = 1024
/** Statements kept: each member is admitted once as a rule; room for four each. */
export const STATEMENTS_MAX: number = 4 * MEMBERS_MAX
/** Statements that one statement may name: what an evicted admin had said and what goes on counting. */
export const STATEMENTS_KEPT_MAX = 1024
/** Statements that one takes the place of: more than one only where two admins spoke at once. */
export const STATEMENT_HEADS_MAX = 16
/** One statement: ids and a name are about 300 bytes; 1,024 names of others at 66 bytes, and room. */
export const STATEMENT_BYTES_MAX: number = 80 * 1024
/** Statements of one admin that wait for others' signatures. */
export const STATEMENTS_PENDING_MAX = 32
/** Signatures that may be asked for: more admins than this in one room agree on nothing. */
export const QUORUM_MAX = 16
/** An invite may live a month, no longer: its secret is written down somewhere. */
export const INVITE_TTL_MAX_MS: Millis = millis(30 * 24 * 3_600_000)
/** As many as a mesh may have members. */
export const INVITE_USES_MAX = 1000
/** Open invites of one node: each is a door, and each is looked at for every stranger. */
export const INVITES_MAX = 64
/** A line of 8 addresses is about 700 characters. */
export const INVITE_LINE_LENGTH_MAX = 4096
/** What a machine with several interfaces and a relay has; the line stays short enough for a QR code. */
export const INVITE_ADDRESSES_MAX = 8

// Join: what a stranger may cost us

/** The whole exchange: four messages, two syncs to disk and a slow link. */
export const JOIN_TIMEOUT_MS: Millis = millis(10_000)
/** What a joiner may send in one message: a name, an id and 64 bytes of proof are under 300. */
export const JOIN_REQUEST_BYTES_MAX = 1024
/** The last answer carries every statement: 1024 members x about 450 bytes, and addresses. */
export const JOIN_ANSWER_BYTES_MAX: number = 4 * 1024 * 1024
/** Joins under way at once; the ninth is told to come back. */
export const JOINS_AT_ONCE_MAX = 8
/** Connections of strangers held at once: twice the joins, so that a slow one does not shut the door. */
export const STRANGERS_MAX: number = 2 * JOINS_AT_ONCE_MAX
/** Members that an invite names as ways to its maker: 180 characters of the line each. */
export const INVITE_RELAYS_MAX = 3
/** Addresses per such member: where we reach it, and what it says of itself. */
export const INVITE_RELAY_ADDRESSES_MAX = 2
/** For members to agree to let joiners through, while somebody waits for the line. */
export const SPONSOR_TIMEOUT_MS: Millis = millis(2000)
/** What each way to the inviter has before the next one is tried beside it: direct, then through members. */
export const JOIN_HEAD_START_MS: Millis = millis(750)
/** The joiner's patience for one attempt over all addresses: a refused port answers at once. */
export const JOIN_DIAL_TIMEOUT_MS: Millis = millis(8000)

// Connections

/** Versions of what follows the hello. One back works: its peers are judged without SWIM. */
export const PROTOCOL_VERSIONS = { oldest: 1, newest: 2 } as const
/** One round trip, two syncs to disk and a busy machine. */
export const HELLO_TIMEOUT_MS: Millis = millis(5000)
/** A name, a mesh, two numbers and addresses. */
export const HELLO_BYTES_MAX = 8192
/** A connection that claims an identity we are connected to: is the older one still there? 1 s > 3 WAN round trips. */
export const INCUMBENT_PROBE_MS: Millis = millis(1000)
/** Streams that may wait on a connection until its hello is done: one per service and direction. */
export const EARLY_STREAMS_MAX = 16

// Outbox: what must arrive

/** Messages that wait for one peer: statements of a mesh in turmoil. What does not fit, anti-entropy repairs. */
export const OUTBOX_MESSAGES_MAX = 256
/** Messages of one delivery: with statements of the greatest size under the RPC's message bound. */
export const OUTBOX_BATCH_BYTES_MAX: number = 512 * 1024
/** One round trip and a sync to disk at the other side; then it is sent again. */
export const OUTBOX_TIMEOUT_MS: Millis = millis(5000)
/** How long an eviction waits to tell its user who has confirmed it; it goes on without. */
export const CONFIRM_TIMEOUT_MS: Millis = millis(2000)

// Dialler: capped, endless back-off with jitter

/** After a connection that broke: a kernel that restarts is back in about a second. */
export const DIAL_DELAY_MIN_MS: Millis = millis(200)
/**
 * A silent cut that heals tells nobody: with SYNs 0, 1 and 3 s into a dial of 5 s, at most 2 s and this
 * pass until the next one, which keeps the promise of 5 s.
 */
export const DIAL_DELAY_MAX_MS: Millis = millis(2500)
/**
 * After a hint of life, for the lower node id: a member that has just come in dials everybody it knows of, and
 * is through by then.
 */
export const COURTESY_LOWER_MS: Millis = millis(100)
/** The same for the higher one: by then the lower one's dial is through, where it can get through at all. */
export const COURTESY_HIGHER_MS: Millis = millis(300)
/** After a hello, until the member is in the hash table: loading that takes 25 ms, and a join has better things to do. */
export const TABLE_DELAY_MS: Millis = millis(1000)
/** SYNs go out at 0, 1 and 3 s: two may be lost. */
export const DIAL_TIMEOUT_MS: Millis = millis(5000)
/** Dials under way at once: libp2p accepts 5 inbound a second from one host and queues 10. */
export const DIALS_AT_ONCE_MAX = 8
/** Interfaces of a machine, IPv4 and IPv6, TCP and WebSockets, and relays. */
export const ADDRESSES_PER_PEER_MAX = 16
/** A circuit multiaddr with two node ids is about 190 characters. */
export const ADDRESS_LENGTH_MAX = 256
/** Wall and monotonic time part by more than this: the machine slept, or its clock was set. */
export const CLOCK_JUMP_MS: Millis = millis(3000)

// Pulse and liveness

/** Load and positions may be a second old: placement and repair need no fresher ones. */
export const PULSE_INTERVAL_MS: Millis = millis(1000)
/**
 * At rest, when there is nothing new to say: the round trip stays fresh, anti-entropy goes on, and a cut is
 * noticed in 3 + 3 + 1 s where the failure detector has not doubted the peer before.
 */
export const PULSE_REST_MS: Millis = millis(3000)
/** Three pulses' time. An unanswered pulse costs a peer the connection that has said nothing else in as long. */
export const PULSE_TIMEOUT_MS: Millis = millis(3000)
/**
 * For the answer of a peer that left a pulse unanswered and has sent something else meanwhile. A machine short of
 * CPU answers late, and a new connection costs both sides 10 to 25 ms more of it; what is stuck is cut in the end.
 */
export const PULSE_PATIENCE_MS: Millis = millis(30_000)
// SWIM with Lifeguard: memberlist's values for a LAN, where nothing else is said

/** As memberlist on a LAN: detection time grows with it, messages fall. */
export const PROBE_INTERVAL_MS: Millis = millis(1000)
/** Over TCP a lost segment comes 200 ms late, two in a row 600 ms: one of them fits. */
export const PROBE_TIMEOUT_MS: Millis = millis(500)
/** Members that are asked to probe for us: at 10 % loss 1 probe in 10,000 fails through all of them. */
export const INDIRECT_PROBES = 3
/** Suspicion lasts this many probe intervals times log10 of the members: memberlist's. */
export const SUSPICION_FACTOR = 4
/** And at most so many times as long, while few confirm it: as memberlist. */
export const SUSPICION_FACTOR_MAX = 6
/** Each rumour is passed on this many times log10 of the members: reaches all at 10 % loss. */
export const RETRANSMIT_FACTOR = 4
/** Ten times as patient at most: then a machine is too busy to judge anybody. */
export const HEALTH_SCORE_MAX = 8
/** Rumours on one message: about 250 bytes each with their signatures, 1.5 kB. */
export const RUMOURS_PER_MESSAGE_MAX = 6
/** Rumours whose signatures are remembered as checked: each comes back some twenty times. */
export const RUMOURS_REMEMBERED_MAX = 1024
/** Members whose word a node that is met for the first time is given: eight messages. It dials them all in any case. */
export const INTRODUCED_MAX = 48
/** While there is anything to tell: five times a second to three members, as memberlist. Nothing at rest. */
export const GOSSIP_INTERVAL_MS: Millis = millis(200)
/** Members told at a time, as memberlist. */
export const GOSSIP_FANOUT = 3
/** A connection that the other side closed, and nobody who reaches it: gone, if it does not redial in this. */
export const CLOSED_SUSPICION_MS: Millis = millis(500)
/** A timer of ours that is late by this says that we are in trouble ourselves: half a probe's patience. */
export const LAG_NOTICED_MS: Millis = millis(250)
/** Probes for others under way here: each costs one message and a timer. */
export const RELAYED_PROBES_MAX = 256
/** The round trip shown is the least of as many pulses: what the path takes, without our own delays. */
export const RTT_SAMPLES = 8
/** How long a member that has left for good is shown as left. */
export const DEPARTED_SHOWN_MS: Millis = millis(10 * 60_000)
/** Farewells at stop must not hold up the stop. */
export const FAREWELL_TIMEOUT_MS: Millis = millis(200)

// Replicated documents

/** One row, as JSON text. */
export const ROW_BYTES_MAX: number = 64 * 1024
/** A name, a path or two ids. */
export const ROW_KEY_LENGTH_MAX = 256
/** A change of a document of so many rows takes 8 ms. */
export const ROWS_PER_DOCUMENT_MAX = 10_000
/** All rows of one node as text. 10,000 rows of 170 bytes, or 1,000 of 1.7 kB. */
export const DOCUMENT_TEXT_BYTES_MAX: number = 1792 * 1024
/** One signed envelope: the text of all rows, were it incompressible, and 256 KiB for the rest. */
export const ENVELOPE_BYTES_MAX: number = 2 * 1024 * 1024
/** What one node's document may cost each member in memory: its base and the deltas since. */
export const DOCUMENT_BYTES_MAX: number = 4 * 1024 * 1024
/** A document is re-based when the deltas since its base outnumber or outweigh this, or a share from a half on of it ... */
export const DELTAS_PER_BASE_MAX = 1024
/** ... 64 KiB, or four times the base where that is larger: history stays in proportion to state. */
export const DELTA_BYTES_PER_BASE_MIN: number = 64 * 1024
/** History is at most this many times the state. */
export const DELTA_BYTES_PER_BASE_FACTOR = 4
/** Rows of a document that several write: what a person or an admin's script says, not what a kernel counts. */
export const SHARED_ROWS_MAX = 4096
/** Changes of a shared document on one base. Each costs its signature at every start of a kernel: 30 ms. */
export const SHARED_DELTAS_PER_BASE_MAX = 256
/** Runs of one writer's kernel of which a base still says how far they came. */
export const SHARED_STREAMS_PER_AUTHOR_MAX = 16
/** How long a mesh may be in halves that both make bases, until what one half wrote may be lost. */
export const SHARED_OWN_KEPT_MS: Millis = millis(30 * 86_400_000)
/**
 * Bases that a shared document can ever have. An epoch in the highest quarter is not come to by counting: whoever signs one
 * leaves no room above it, and so it holds only as long as its author may write; then the next begins at the half.
 */
export const SHARED_EPOCH_MAX: number = 2 ** 40
export const SHARED_EPOCH_COUNTED_MAX: number = 0.75 * SHARED_EPOCH_MAX
export const SHARED_EPOCH_RESTART: number = 0.5 * SHARED_EPOCH_MAX
/** The highest number of a first operation. Automerge counts on from there with 32 bits. */
export const SHARED_OPERATION_MAX: number = 2 ** 30
/**
 * What a store may have on disk beyond what it keeps: LevelDB's log, and five tables as large before it puts
 * them together. After a million changes of rows it was 3.6 MB.
 */
export const STORE_SLACK_BYTES: number = 6 * 4 * 1024 * 1024
/** Puts closer together than this share a delta: 0.5 ms of signing and merging each would add up. */
export const DELTA_INTERVAL_MS: Millis = millis(10)
/**
 * And on a busy node so many turns of its event loop, which are 1 to 3 ms on an idle one: publishing takes a
 * tenth of its time at most, and what changes meanwhile shares a delta ...
 */
export const DELTA_INTERVAL_TURNS = 8
/** ... up to this: where sixteen members share two cores a turn is 10 to 30 ms, and rows should be a quarter second late at most. */
export const DELTA_INTERVAL_LOADED_MS: Millis = millis(100)
/** Beyond, a node whose turns are longer than that leaves as much time for all else as for publishing ... */
export const DELTA_INTERVAL_TURNS_MIN = 2
/** ... up to this: rows are late then, but arrive. */
export const DELTA_INTERVAL_MAX_MS: Millis = millis(1000)
/** Entries of a column of Automerge's bytes: in one delta every row of the largest document put and as many deleted. */
export const CHUNK_ENTRIES_MAX: number = 2 * ROWS_PER_DOCUMENT_MAX
/** What those bytes may stand for: all texts, as many deleted, and as much again for the rest. */
export const CHUNK_BYTES_MAX: number = 8 * 1024 * 1024
/** Steps of one author that others take: twice what DELTA_INTERVAL_MS lets an honest one make. */
export const AUTHOR_STEPS_PER_SECOND = 200
/** A whole log at once, twice: what a node that was away has to take. */
export const AUTHOR_STEPS_BURST: number = 4 * 1024
/** 200 rows of 2.5 kB a second. */
export const AUTHOR_BYTES_PER_SECOND: number = 512 * 1024
/** Four of the largest documents. */
export const AUTHOR_BYTES_BURST: number = 16 * 1024 * 1024
/** An author over its budget, or beyond the size of a document, is left alone this long. */
export const QUARANTINE_MS: Millis = millis(60_000)
/** Replicas follow to disk in this time: one synced write for all that has changed. */
export const REPLICA_SAVE_INTERVAL_MS: Millis = millis(5000)
/** Envelopes of one push or pull, together: under the RPC's message bound. */
export const SYNC_BYTES_MAX: number = 768 * 1024
/**
 * Steps pushed to one peer without its word: the 25 that a row changing ten times a second makes between two
 * pulses, and room. An answer to each would cost both sides a third of what the step costs.
 */
export const UNCONFIRMED_STEPS_MAX = 64
/** And their bytes: what waits for a peer that has stopped reading. */
export const UNCONFIRMED_BYTES_MAX: number = 64 * 1024
/** For a step that its owner has pushed, and that somebody else has told of first: longer than a busy loop's turn. */
export const PUSH_PATIENCE_MS: Millis = millis(500)
/** SYNC_BYTES_MAX at 100 kB/s, and a busy peer. */
export const SYNC_TIMEOUT_MS: Millis = millis(10_000)
