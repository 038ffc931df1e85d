import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/**
 * How long output may stay open after the process ended before what it left behind is killed. Enough for a
 * `| tee` of bash to write its last buffer; a forgotten background job costs it each time.
 */
export const LINGER_MS: Millis = millis(200)
/** How often a group that is being stopped is looked at. */
export const GROUP_POLL_MS: Millis = millis(25)
/** How often output that does not end is looked at for a stray that holds it open. */
export const STRAY_CHECK_MS: Millis = millis(500)
/** How long a stop waits for a slow reader to take the last output before it goes to the spool. */
export const STOP_DRAIN_MS: Millis = millis(2000)
/** Pause between exits and the search for strays that they left, so that many exits share one search. */
export const SWEEP_DELAY_MS: Millis = millis(250)
/** The pause after a scan for strays, as a multiple of what it took, and its bound: a task's end may wait so long. */
export const SCAN_REST_FACTOR = 9
export const SCAN_REST_MAX_MS = 25
/** A child that runs no longer than this may end at any moment. */
export const YOUNG_MS = 1000
/** Rounds of killing, 20 ms apart: one that forks faster than we kill is given up after two seconds. */
export const KILL_ROUNDS_MAX = 100
export const KILL_ROUND_MS: Millis = millis(20)

/** How long a command may take to appear inside before a signal for it is given up, and between two looks. */
export const INSIDE_LOOKS_MAX = 80
export const INSIDE_LOOK_PAUSE_MS: Millis = millis(25)

/** Pause between two samples of CPU and memory. One costs 6 us for each process of the machine. */
export const SAMPLE_INTERVAL_MS: Millis = millis(2000)

/** Pipes that should wait to be used, two descriptors each: enough for seven attached processes at once. */
export const PIPES_LOW = 21

/** Bytes of stdin that wait in the kernel for a child that does not read: two pipe buffers. */
export const STDIN_BUFFER_BYTES: number = 128 * 1024

/** Bytes of output read at once: one pipe buffer, which is also what one frame should carry. */
export const OUTPUT_CHUNK_BYTES: number = 64 * 1024
/** Less than this is copied out of the buffer that it was read into. */
export const OUTPUT_COPY_BYTES_MAX: number = 8 * 1024

/** Bytes of one process's output that are kept, and in how many files: the oldest file goes first. */
export const SPOOL_BYTES_MAX: number = 16 * 1024 * 1024
export const SPOOL_SEGMENTS_MAX = 4
/** Bytes of all spools; beyond it those of the processes that ended first are removed. */
export const SPOOL_TOTAL_BYTES_MAX: number = 1024 * 1024 * 1024
/** Bytes of one record; what a child writes at once is one pipe buffer at most. */
export const SPOOL_RECORD_BYTES_MAX: number = 64 * 1024

/** The journal of live processes is written anew when this many bytes of it are about dead ones. */
export const JOURNAL_BYTES_MAX: number = 256 * 1024

/** Pids reserved by one durable write. A crash wastes at most so many numbers. */
export const PIDS_PER_BLOCK = 100

/** Environment bytes of a foreign process that are searched for our mark. Linux allows 6 MB in all. */
export const ENVIRONMENT_BYTES_MAX: number = 6 * 1024 * 1024

/**
 * Shells that wait to become contained processes: one for the next start, and two that are joining their control groups
 * meanwhile, which takes as long as a start or two. 0.2 MB each.
 */
export const WAITING_SHELLS = 3
