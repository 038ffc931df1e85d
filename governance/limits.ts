// Every bound of this room. A decision goes into one chain entry, whose payload has 64 KiB.

import { millis } from '../core/index.ts'
import type { Millis } from '../core/index.ts'

/** Bytes of a request's context as recorded; beyond it only its size and digest are. */
export const CONTEXT_BYTES_MAX: number = 16 * 1024
/** Keys of a context. */
export const CONTEXT_KEYS_MAX = 32
/** Characters of one text in a context. */
export const TEXT_LENGTH_MAX = 4096
/** Items of one list, or keys of one map, in a context. */
export const ITEMS_MAX = 256
/** Maps and lists inside each other. */
export const DEPTH_MAX = 4
/** Characters of a resource; it is also the subject of an entry, which chain/ bounds at 200 bytes. */
export const RESOURCE_LENGTH_MAX = 160
/** Characters of a rule's id and of a hint: a hint may hold a whole policy of one line. */
export const RULE_LENGTH_MAX = 96
export const HINT_LENGTH_MAX = 1200
/** Requests decided together: a spawn, and the 128 grants that core/ allows it. */
export const REQUESTS_MAX = 160

/** Different denials of one principal that are recorded by themselves within a window; the others are counted. */
export const DENIALS_ALONE_MAX = 32
/** Up to so many within a window, the next window is as short as the first. */
export const DENIALS_QUIET_MAX = 4
/** Acts and rules that the others are told apart by. */
export const DENIAL_KINDS_MAX = 64
/** The first window of counting. A person who mistypes sees each denial by itself. */
export const DENIAL_WINDOW_MS: Millis = millis(60_000)
/** The longest: whoever goes on for days adds 33 entries an hour. What is counted and not yet told dies with a crash. */
export const DENIAL_WINDOW_MAX_MS: Millis = millis(3_600_000)
/** Principals whose denials are counted apart: members, agents and processes of a node. */
export const DENIAL_PRINCIPALS_MAX = 1024

/** Bytes of all policies of one source (home or mesh). 1,000 policies of 250 bytes. */
export const POLICY_BYTES_MAX: number = 256 * 1024
/** Policies of one source. At 1,000 that all fit one request, a decision takes about 2 ms. */
export const POLICIES_MAX = 2000
/** Bytes of one policy, and brackets inside each other in it: the engine's parser recurses. */
export const POLICY_LENGTH_MAX: number = 16 * 1024
export const POLICY_DEPTH_MAX = 64
/** Characters of a policy's `@id`. */
export const POLICY_ID_LENGTH_MAX = 64
/** Bytes of arguments that a decision looks at; a longer command is denied. As much as a task may have. */
export const ARGUMENTS_BYTES_MAX: number = 160 * 1024
/** Folders above a path that a policy may name. */
export const PATH_DEPTH_MAX = 128
/**
 * A decision that took more of a core than this is a denial. It takes 0.1 to 2 ms; Cedar has no loops, so a decision
 * ends by itself, but a machine or a policy set that is this slow cannot be trusted with the event loop.
 */
export const DECISION_TIME_MAX_MS: Millis = millis(250)
/** Sets of policies kept ready, one per action and kind of principal. The actions and kinds there are. */
export const SLICES_MAX = 512

/** Requests that may wait for approval at once, and as many decided ones are shown. */
export const APPROVALS_MAX = 256
/** Of these, what one process or member may have waiting: sixteen of them would fill the desk. */
export const APPROVALS_OF_ONE_MAX = 16
/** After it, a request that nobody has decided is denied, and an approval that nobody has used is void. */
export const APPROVAL_DEADLINE_MS: Millis = millis(10 * 60_000)

/**
 * Versions that the policy of a mesh can ever have. One in the highest quarter is not come to by counting: whoever signs it
 * leaves no room above it, and so it holds only as long as its author is an admin; then the next begins at the half.
 */
export const POLICY_VERSION_MAX: number = 2 ** 40
export const POLICY_VERSION_COUNTED_MAX: number = 0.75 * POLICY_VERSION_MAX
export const POLICY_VERSION_RESTART: number = 0.5 * POLICY_VERSION_MAX
