// Bounds and defaults of the kernel itself. Each room has its own in its own folder.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

/** Ended rows that stay in the process table: what fits on a screen or two of `kernel ps`. */
export const ENDED_ROWS_MAX = 32

/** Events kept for readers of `kernel attach` that reconnect. About 300 bytes each. */
export const EVENTS_KEPT_MAX = 1000

/** Bytes of chain records asked for in one call: fills a window of the network, fits in memory easily. */
export const CHAIN_BATCH_BYTES: number = 1024 * 1024

/** Such calls under way to one peer, so that it reads, sends and is read from at the same time. */
export const CHAIN_ASKS_MAX = 3
/** Their answers that are being checked or stored: one for each core of a small machine, one on its way to disk. */
export const CHAIN_ACCEPTS_MAX = 3

/** More blocks than that come as one stream, fewer in the answer of one call. */
export const CHAIN_STREAM_BLOCKS_MIN = 64
/** What one stream brings before the next one is asked for: also a slow peer gives way after that. */
export const CHAIN_STREAM_BYTES: number = 64 * 1024 * 1024
/** One frame of such a stream: as much as travels in one write of a session, uncut, with what goes around it. */
export const CHAIN_PIECE_BYTES: number = 65_519 - 12 - 9
/** How long a stream may take: at 100 kB/s. */
export const CHAIN_STREAM_TIMEOUT_MS: Millis = millis(600_000)
/** Streams to one peer at a time: the one it reads, and one that it gave up and that is not over yet. */
export const CHAIN_STREAMS_MAX = 2
/** Runs of a stream that are being checked or stored: 4 MB, work for all cores while the disk syncs. */
export const CHAIN_RUNS_MAX = 16

/** How long one such call may take: a batch at 100 kB/s, a slow uplink. */
export const CHAIN_READ_TIMEOUT_MS: Millis = millis(15_000)

/** Longest answer awaited from another node to a short request (spawn, stop, tool list). */
export const REMOTE_CALL_TIMEOUT_MS: Millis = millis(20_000)

/** Samples of processes on one pulse: more would not fit in a frame that is sent every second. */
export const SAMPLES_PER_PULSE_MAX = 256

/** Between two pulses that tell of a changed load: many tasks that begin and end at once share one. */
export const LOAD_PULSE_INTERVAL_MS: Millis = millis(20)

/** How often the kernel looks whether it rests, and may collect its garbage. */
export const IDLE_LOOK_MS: Millis = millis(2000)
/** It rests below this share of a core: five times what a kernel among five uses at rest. */
export const IDLE_SHARE_MAX = 0.05
/** Work that is worth a collection: five times what that takes. A command now and then is not. */
export const IDLE_WORK_MIN_MS: Millis = millis(500)

/**
 * Garbage that a busy kernel may hold, as little as V8 itself takes for worth looking for outside of its heap (64 MB),
 * less what comes until it is found.
 */
export const GARBAGE_BYTES_MAX: number = 40 * 1000 * 1000

/** Measurements of the machine's load in quicker succession share one: the counters are read from text files. */
export const LOAD_MEASURE_INTERVAL_MS: Millis = millis(250)

/** Between the request to end and the kill, for children of a kernel that stops. */
export const STOP_GRACE_MS: Millis = millis(3000)

/**
 * For the row of a process that another node has just started, and for the first pulse of one that has just
 * connected: both arrive within milliseconds.
 */
export const ROW_WAIT_MS: Millis = millis(2000)

/** Labels by `kernel start --label`: more than anybody has given a machine. */
export const START_LABELS_MAX = 32
/** Those that admins give a node over them: with the others as many as the control API shows of a node. */
export const GIVEN_LABELS_MAX = 32
/** After labels are given, until the node that is to have them says that it has: one round trip. */
export const LABELS_WAIT_MS: Millis = millis(2000)

/**
 * Lines of one message in a span. Stack traces at this rate, some 10 KB a second, take an hour to fill the files of a
 * log; whoever reads it knows after fifty.
 */
export const LOG_LINES_OF_KIND_MAX = 50
export const LOG_SPAN_MS: Millis = millis(10_000)
/** Messages are few and fixed; some name what they are about. */
export const LOG_KINDS_MAX = 256

/** Lines kept for followers of `kernel logs -f` that reconnect. */
export const LOG_LINES_KEPT_MAX = 1000

/** A vendor's tool that hangs (a broken driver does that) must not hold up the start for long. */
export const GPU_TOOL_TIMEOUT_MS = 5000
export const GPU_TOOL_OUTPUT_BYTES_MAX: number = 1024 * 1024

/** From the kernel's being ready to loading the policy engine: whoever started it has had its answer. */
export const POLICY_LOAD_DELAY_MS: Millis = millis(20)

/** After a join, before the kernel calls itself ready without any connection. */
export const FIRST_CONNECTION_WAIT_MS: Millis = millis(2000)

/** A lane that rests this long gets a checkpoint: two rounds of gossip find out a cheat. */
export const CHECKPOINT_IDLE_MS = 1000
/** One that never rests, after this long. */
export const CHECKPOINT_WAIT_MS = 5000
/** Or after so many blocks: at 1,000 blocks a second, a signature of 0.5 ms each second. */
export const CHECKPOINT_BLOCKS = 1024
/** For members to cosign it before the others are told of it: a round trip and a sync to disk, on a slow link. */
export const WITNESS_WAIT_MS: Millis = millis(2000)
/** An export goes to the command in pieces of this size: one event each, a fraction of a millisecond to encode. */
export const EXPORT_CHUNK_BYTES: number = 256 * 1024

/** For a connected member to say whether it holds more of the own lane, before anything is appended to it. */
export const OWN_LANE_WAIT_MS: Millis = millis(1000)
/** For members that hold lost blocks to be reached, in a start that repairs the own lane. */
export const REPAIR_WAIT_MS: Millis = millis(30_000)
/** For a member to be reached that can be told of a new key; a start under the old one waits no longer. */
export const ROTATION_WAIT_MS: Millis = millis(10_000)
/** A clock that differs by more is shown: that of an entry further ahead is not believed either. */
export const CLOCK_TOLERANCE_MS = 60_000
/** Between two looks at who is connected, while one waits for that. */
export const REPAIR_POLL_MS: Millis = millis(50)

/** A sync no longer than that is made on the spot: twice what the way to another thread and back takes. */
export const SYNC_QUICK_MS = 0.3
/** One of more bytes is never made on the spot: a block of 64 writers takes 20 kB, a batch from a peer megabytes. */
export const SYNC_SPOT_BYTES_MAX: number = 64 * 1024
/** So many quick ones in a row say that the disk is so: a busy one has slow ones in between. */
export const SYNCS_QUICK_MIN = 8
/** Then one is made elsewhere, so that appends without an end leave the event loop its turns: 2 ms at worst. */
export const SYNCS_ON_THE_SPOT_MAX = 7

/** Threads that check chain records: more than that wait for the disk. */
export const CHECKER_THREADS_MAX = 8
/** How long they wait for more to check: a lane that is being fetched comes with pauses of the network. */
export const CHECKER_IDLE_MS: Millis = millis(60_000)
/** Less than that is checked on the spot: in 0.2 s, and a thread takes as much to start and to become quick. */
export const CHECKER_THREADS_FROM_BYTES: number = 16 * 1024 * 1024
/** After such a pause it is counted anew. */
export const CHECKER_BURST_PAUSE_MS: Millis = millis(1000)

/** At a stop, for connected members to fetch the last entries of this node's lane. */
export const LAST_ENTRIES_WAIT_MS: Millis = millis(1000)

/** Policies of one home, and bytes of one: as much in all as governance/ takes, with room for comments. */
export const POLICY_FILES_MAX = 64
export const POLICY_FILE_BYTES_MAX: number = 256 * 1024
/** After a policy of the mesh could not be fetched; doubled each time, while the member is connected. */
export const POLICY_RETRY_MS: Millis = millis(1000)
/** Files of one command that an approval is bound to, and bytes of one: hashed in half a second. */
export const SEEN_FILES_MAX = 32
export const SEEN_FILE_BYTES_MAX: number = 256 * 1024 * 1024
/** How long a durable write may wait to be named in the head file of the store: four syncs a second at most. */
export const STORE_HEAD_DELAY_MS: Millis = millis(250)
