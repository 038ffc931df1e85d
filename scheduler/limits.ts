// Every bound and default of this room.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

/** Unfinished tasks of one origin. Beyond it submit pushes back; 10,000 records are about 10 MB. */
export const UNFINISHED_TASKS_MAX = 10_000
/** Ended tasks that an origin still shows; the oldest go first. Their history stays in the chain. */
export const ENDED_TASKS_KEPT = 1000
/** Tasks that one executor runs at once: each is a process tree and two pipes. */
export const RUNNING_TASKS_MAX = 256
/** Results that wait for their origins. At the bound the executor declines offers. */
export const KEPT_RESULTS_MAX = 10_000
/** Epochs that an executor remembers to refuse, because it said that it had never seen them. */
export const FENCES_MAX = 10_000
/** Offers of one task that its origin can still tell apart in a late result. */
export const OFFERS_REMEMBERED = 16
/** Ended tasks of one node that its reports have not caught up with. */
export const UNREPORTED_ENDS_MAX = 256

/** Linux hands at most 128 KiB to a program as one argument; ours has to fit a chain payload as well. */
export const COMMAND_BYTES_MAX: number = 128 * 1024
/** As many as an agent may have; each costs some bytes of the task record. */
export const ARGUMENTS_MAX = 4096
/** Several times what a login shell has. */
export const ENV_VARIABLES_MAX = 256
/** Half of what is left of a chain payload beside the command. */
export const ENV_BYTES_MAX: number = 64 * 1024
/** PATH_MAX of Linux. */
export const PATH_BYTES_MAX = 4096
/** As many as a node may have. */
export const LABELS_MAX = 32
/** As Kubernetes' label values, which people know. */
export const LABEL_BYTES_MAX = 63
/** More GPUs than any one machine has. */
export const GPUS_MAX = 64
/** A month: longer than that, somebody has forgotten the task. */
export const TIMEOUT_MAX_MS: Millis = millis(30 * 24 * 3_600_000)
/** A reason is one sentence for people. */
export const REASON_LENGTH_MAX = 300
/** Bytes of the command and of the names of variables that go into one chain entry. */
export const RECORDED_COMMAND_LENGTH_MAX = 4096
export const RECORDED_NAMES_MAX = 64

/** How long an executor may be out of reach before its tasks count as lost. */
export const EXECUTOR_GRACE_MS: Millis = millis(10_000)
/** From SIGTERM to SIGKILL. */
export const STOP_GRACE_MS: Millis = millis(5000)
/** How long an executor holds the output of an attached task whose origin has not come for it. */
export const ATTACH_WAIT_MS: Millis = millis(10_000)
/** One offer, status, cancel, signal or report: two fsyncs and a round trip, on a machine that swaps. */
export const CALL_TIMEOUT_MS: Millis = millis(10_000)
/** Before asking a peer again that can be reached and yet fails: doubled each time up to the second. */
export const RETRY_FIRST_MS: Millis = millis(250)
export const RETRY_LAST_MS: Millis = millis(15_000)
/** Between two questions about a task whose executor can be reached: several within the grace. */
export const ASK_AGAIN_LAST_MS: Millis = millis(2000)
/** Input read ahead while a task waits, to see a signal behind it. */
export const READ_AHEAD_BYTES: number = 64 * 1024
/** A capability of some grants, narrowed a few times, has 4 KB. */
export const AUTHORITY_BYTES_MAX: number = 32 * 1024
