/** Milliseconds that an ordinary request may take at the server: far above any, below a user's patience. */
export const REQUEST_DEADLINE_MS: number = 30_000
/** Milliseconds for what honestly takes long: verifying a chain, stopping a tree, joining, a tool call. */
export const LONG_REQUEST_DEADLINE_MS: number = 600_000
/** How much longer the client waits, so that the server's own answer arrives first. */
export const CLIENT_SLACK_MS: number = 5_000
/** Between two server-sent comments of a silent stream; a client hears nothing for three: it is gone. */
export const STREAM_HEARTBEAT_MS: number = 15_000
/** Bytes of an answer that is read whole: 10,000 process rows of 400 bytes, ten times over. */
export const ANSWER_BYTES_MAX: number = 64 * 1024 * 1024
/** Bytes of one server-sent event: an output chunk of 64 KiB in base64, and room for a large entry. */
export const EVENT_BYTES_MAX: number = 4 * 1024 * 1024
/** Bytes of an answer's head. */
export const HEAD_BYTES_MAX: number = 16 * 1024
/** Machines that one invite lets in; the mesh's own bound. */
export const INVITE_USES_MAX = 1000
/** Admins whose signatures can be asked for; more are never awake at once. */
export const SIGNATURES_MAX = 16
/** Lines of a log, or entries of the chain, to begin with: what a person scrolls through, ten times over. */
export const LOG_LINES_MAX = 100_000
/** Of whatever is to last for a while, an invite or a task: a month. */
export const DURATION_MAX_MS: number = 30 * 24 * 3_600_000
