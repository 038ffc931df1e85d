/** Bytes of a request's body: a command of 256 KiB in JSON, escaped, and room; tool input alike. */
export const BODY_BYTES_MAX: number = 1024 * 1024
/** Levels of a request's JSON: no document of ours has ten, and what a tool is given seldom twenty. */
export const JSON_DEPTH_MAX = 100
/** Bytes of one submission frame: its task comes back as one outcome frame, which is twice as large. */
export const SUBMISSION_BYTES_MAX: number = 512 * 1024
/** Bytes of a request's head, as Node's own default. */
export const HEAD_BYTES_MAX: number = 16 * 1024
/** Milliseconds to send a request's head, and the whole request. Against slow-loris on TCP. */
export const HEAD_TIMEOUT_MS: number = 10_000
export const REQUEST_TIMEOUT_MS: number = 30_000
/** Milliseconds that a body of any size may stand still. */
export const BULK_IDLE_MS: number = 30_000
/** Milliseconds from the upgrade to the first whole frame. */
export const SUBMISSION_TIMEOUT_MS: number = 10_000
/** Milliseconds that an idle connection may wait for its next request. */
export const KEEP_ALIVE_MS: number = 5_000
/** Connections at one time: far above what one person's tools open, far below the file-descriptor limit. */
export const CONNECTIONS_MAX: number = 512
/** Live streams and attached tasks at one time; one more is told to try again. */
export const STREAMS_MAX: number = 256
/** Bytes of a `sun_path` on Linux (108) without its NUL; macOS has four fewer. */
export const SOCKET_PATH_BYTES_MAX: number = process.platform === 'darwin' ? 103 : 107
/** Milliseconds that requests under way get when the kernel stops, before their connections are cut. */
export const STOP_GRACE_MS: number = 2_000
/** What `Retry-After` says, in seconds. */
export const RETRY_AFTER_S: number = 1
/** Of one process on its own socket: connections at one time. Its programs ask little and briefly. */
export const PROCESS_CONNECTIONS_MAX = 16
/** Requests of one process under way at one time, streams and attached tasks among them. */
export const PROCESS_REQUESTS_MAX = 12
/** Bytes of a request's body: a command of 128 KiB, escaped, fits. With the above, 6 MB for each process. */
export const PROCESS_BODY_BYTES_MAX: number = 512 * 1024
/** Requests at once, and how many more each second: a hundred small tools in a row never wait. */
export const PROCESS_REQUEST_RATE: { readonly burst: number; readonly perSecond: number } = {
  burst: 200,
  perSecond: 50
}
/** Denials likewise. Each is an entry of 1 KB in the chain: 200 KB at once, and 8 MB a day from then on. */
export const PROCESS_DENIAL_RATE: { readonly burst: number; readonly perSecond: number } = {
  burst: 200,
  perSecond: 0.1
}
