// Every bound of this room. A guest is somebody else's program: each line here is reached in a test.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** A component that is larger is not a tool: JavaScript with its engine inside takes 12 MB. */
export const COMPONENT_BYTES_MAX: number = 32 * MIB

/** The JSON text that a tool is called with. Larger things will travel as blobs. */
export const INPUT_BYTES_MAX: number = MIB

/** The JSON text that a tool answers with. */
export const OUTPUT_BYTES_MAX: number = 4 * MIB

/** Levels of arrays and objects in an answer: what writes it out again may not recurse without end. */
export const OUTPUT_DEPTH_MAX = 100

/** What a tool may say about itself, or as an error. */
export const MESSAGE_CHARACTERS_MAX = 1000

/** From dispatch to answer, instantiation included, when the caller names no limit. */
export const TIME_LIMIT_DEFAULT_MS: Millis = millis(10_000)

/** The longest that a caller may ask for. */
export const TIME_LIMIT_MAX_MS: Millis = millis(600_000)

/** For a worker to start and load a tool: about 60 ms when idle, so this means that it is stuck. */
export const START_LIMIT_MS: Millis = millis(15_000)

/** To translate a component once: 12 MB take about 1 s. */
export const TRANSPILE_LIMIT_MS: Millis = millis(60_000)

/** Worker processes at one time, idle ones included: each takes 60 to 110 MB. */
export const WORKERS_MAX = 4

/** Calls that may wait for a worker before new ones are refused. */
export const WAITING_CALLS_MAX = 64

/** A worker that nobody called for so long is ended. */
export const WORKER_IDLE_MS: Millis = millis(30_000)

/** A worker is replaced after so many calls, so that what leaks in the engine stays bounded. */
export const CALLS_PER_WORKER_MAX = 1000

/** For running calls to end when the kernel stops; then their workers are killed. */
export const STOP_GRACE_MS: Millis = millis(2000)

/** One linear memory of a guest, in pages of 64 KiB: 256 MiB, by a flag of the engine. */
export const GUEST_MEMORY_PAGES_MAX = 4096

/** Linear memories that the modules of one component may define together, each under the bound above. */
export const GUEST_MEMORIES_MAX = 4

/** The JavaScript heap of a worker, where tables, strings and garbage-collected objects lie. */
export const GUEST_HEAP_MIB = 128

/** Of a transpiler, which holds the component and everything made of it. */
export const TRANSPILER_HEAP_MIB = 512

/** Code, stacks and buffers of the worker beside its heap and the guest's memories: it has 60 to 110 MB. */
export const WORKER_OWN_MIB = 256

/** What the machine lets a worker have in all, before it is ended: everything above together. */
export const GUEST_PROCESS_BYTES_MAX: number =
  GUEST_MEMORIES_MAX * GUEST_MEMORY_PAGES_MAX * 64 * KIB + (GUEST_HEAP_MIB + WORKER_OWN_MIB) * MIB

/** The translator is itself a WASM component, whose memory counts beside its heap. */
export const TRANSPILER_PROCESS_BYTES_MAX: number = (2 * TRANSPILER_HEAP_MIB + WORKER_OWN_MIB) * MIB

/** Node starts ten to twenty threads, by the number of cores; the lifeline is one more. */
export const WORKER_THREADS_MAX = 64

/** What a worker wrote to stderr before it died is kept up to here, for the log. */
export const STDERR_BYTES_MAX: number = 4 * KIB

/** The files that one component becomes, together. */
export const TRANSPILED_BYTES_MAX: number = 3 * COMPONENT_BYTES_MAX

/** One message to or from a worker: a text as JSON may take six bytes for each of its own. */
export const GUEST_FRAME_BYTES_MAX: number = 6 * OUTPUT_BYTES_MAX + 4 * KIB

/** One message to or from a transpiler, where bytes travel as base64. */
export const TRANSPILER_FRAME_BYTES_MAX: number = 2 * TRANSPILED_BYTES_MAX
