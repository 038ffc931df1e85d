import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'

/** How long a probe of the machine may take: the first start of bubblewrap after a boot reads its file. */
export const PROBE_TIMEOUT_MS: Millis = millis(5000)

/** One call of podman: the first after a boot reads its store, and a removal waits for what ends. */
export const PODMAN_TIMEOUT_MS: Millis = millis(30_000)

/** Processes and threads of a contained process that asks for no limit. A large build has some hundreds. */
export const PIDS_DEFAULT = 4096

/**
 * Each of the folders that are made of memory inside, `/tmp` and `/dev/shm`: enough for a large build, and less than the half
 * of the machine's memory that the system would give each.
 */
export const MEMORY_FOLDER_BYTES_MAX: number = 2 * 1024 * 1024 * 1024

/**
 * Raises the chance that the system, out of memory, ends a contained process before the kernel of weaver: half of the
 * scale, so that those who asked for a limit and keep to it are still weighed by size.
 */
export const OOM_SCORE_ADJUST = 500

/** The period over which CPU time is shared out, in microseconds: the Linux default. */
export const CPU_PERIOD_US = 100_000

/** How often a control group that should be empty is tried to be removed: its last process may be a zombie. */
export const GROUP_REMOVE_TRIES_MAX = 40
export const GROUP_REMOVE_PAUSE_MS: Millis = millis(25)

/** How deep below a writable folder traps are looked for: repositories in folders of projects lie at two. */
export const LOOK_DEPTH = 3

/** Folders that one look enters, the nearest first: 2,000 take about 50 ms. */
export const LOOK_FOLDERS_MAX = 2000

/** What a look may close for one process: each costs a mount, a tenth of a millisecond. */
export const GUARDS_MAX = 256

/** Changes that one entry of the chain names. */
export const TRAPS_TOLD_MAX = 64

/** Of the sentence that names them: what a task's reason may have. */
export const TRAP_NOTE_CHARACTERS_MAX = 300

/** Words of a command that a waiting shell is told: it reads a byte at a time, a microsecond each. */
export const WORDS_BYTES_MAX = 2048

/** All that it is told: half of what a pipe takes without waiting for its reader. */
export const WAITING_BYTES_MAX: number = 32 * 1024
