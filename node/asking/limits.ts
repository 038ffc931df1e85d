// Every bound of what processes may ask of their kernel, beside those of their sockets in http/limits.ts.

/** Processes that one process has started and that have not ended: agents and tasks. */
export const CHILDREN_MAX = 16
/** How far from what its owner started a process may be that asks: 0 is that itself. */
export const DEPTH_MAX = 3
/** Grants that a process hands on at once: with all above it, each is a decision of its own. */
export const HANDED_ON_MAX = 32
/** Authority of a process is issued anew after a day, well before the seven that a token lives. */
export const AUTHORITY_RENEWED_MS = 86_400_000
/** Offers whose proof is kept until their run has ended: more than one node runs at one time. */
export const PROOFS_MAX = 4096
