// Every bound of this room. Those marked "format" are part of docs/chain-format.md: a block beyond one
// of them is refused by every verifier, so none may ever shrink.

/** Format. Heights, entry counts and times stay exact in every language that has 64-bit floats. */
export const INTEGER_MAX: number = Number.MAX_SAFE_INTEGER
/** Format. One group commit; hashing that many entries takes about 5 ms. */
export const ENTRIES_PER_BLOCK_MAX = 1024
/** Format. One record as stored and sent; it must fit in memory many times over on a small machine. */
export const RECORD_BYTES_MAX: number = 1024 * 1024
/** Format. 64 links of 32 + 9 + 32 bytes and their CBOR frames, with room for the fixed fields. */
export const HEADER_BYTES_MAX = 8192
/** Format. Entries hold ids and names; whatever is larger belongs in the payload. */
export const ENTRY_BYTES_MAX = 1024
/** Format. Salt and CBOR together. Larger matters (outputs, files) are recorded by their hash. */
export const PAYLOAD_BYTES_MAX: number = 64 * 1024
/** Format. Heads of other lanes in one block; a larger mesh takes turns. */
export const LINKS_PER_BLOCK_MAX = 64
/** Format. `node:` + 52 characters is the longest actor of today. */
export const TEXT_BYTES_MAX = 200
/** Format. `task.submitted` is a typical kind. */
export const KIND_BYTES_MAX = 64
/** Format. Entries within one millisecond; the clock then borrows from the next one. */
export const COUNTER_MAX = 65_535
/** Format. Random bytes that keep the hash of a redacted payload from being guessed. */
export const SALT_BYTES = 16

/** Entries that may wait for the disk: a few full blocks, some 100 ms of work. */
export const QUEUE_ENTRIES_MAX = 8192
/** Bytes that may wait for the disk: eight full blocks. */
export const QUEUE_BYTES_MAX: number = 8 * RECORD_BYTES_MAX
/** What entries of one append may take: a block less its largest header, table and framing. */
export const APPEND_BYTES_MAX: number = RECORD_BYTES_MAX - 64 * 1024

/** A new file starts when the last one has reached this: opening a lane reads only the last file. */
export const SEGMENT_BYTES: number = 64 * 1024 * 1024
/** Read at once when a lane is scanned: about 15 ms of signature checks between two turns of the loop. */
export const SCAN_CHUNK_BYTES: number = 64 * 1024
/** One place per so many bytes is remembered, to find a height without reading the lane from its start. */
export const ANCHOR_BYTES: number = 256 * 1024
/** A year of a busy lane is about 250 segments; a folder with more was not written by us. */
export const SEGMENTS_PER_LANE_MAX = 65_536
/** As many as a mesh may have members, and those that have left. */
export const LANES_MAX = 4096
/** How long a durable block may wait to be named in the head file (which guards against lost tails). */
export const HEAD_DELAY_MS = 50
/** A remote clock further ahead of our wall clock than this does not move ours. */
export const CLOCK_AHEAD_MAX_MS = 60_000

/** Records in one answer or one accept. */
export const RECORDS_PER_BATCH_MAX = 4096
/** Bytes of one answer to `read`, whatever the caller asks for: a few full blocks. */
export const READ_BYTES_MAX: number = 8 * 1024 * 1024
/** Read at once for an answer: a quarter of what is usually asked for. */
export const SERVE_READ_BYTES: number = 256 * 1024
/** Problems kept in one report; the rest is counted. */
export const PROBLEMS_MAX = 1000
/** The most that `log({ last })` will hold in memory. */
export const LOG_LAST_MAX = 10_000
/** Verified records are written in parts of this size: the loop turns at each sync, every 25 ms at worst. */
export const ACCEPT_WRITE_BYTES: number = 128 * 1024

/** Written at once when a file of a lane is written anew. */
export const MEND_WRITE_BYTES: number = 1024 * 1024
/** Payloads that may be redacted on one node: 200 bytes of index each. */
export const REDACTIONS_MAX = 10_000
/** Fetched records that wait to be put in place: each time the file they belong to is written anew. */
export const REPAIR_BYTES_MAX: number = 32 * 1024 * 1024

/** Records checked in one go, perhaps on another core: about 15 ms of work. */
export const CHECK_BATCH_BYTES: number = 256 * 1024
/** The same for small records, each of which costs a signature check. */
export const CHECK_BATCH_RECORDS = 256
/** Less than that is checked on the spot: starting other threads takes longer. */
export const CHECK_INLINE_BYTES: number = 4 * 1024 * 1024
/** Read at once when the bytes of a file are compared with their fingerprint. */
export const FINGERPRINT_READ_BYTES: number = 1024 * 1024
/** A mark counts only where the last change is older than that: some file systems tell times in steps of two seconds. */
export const MARK_SETTLED_MS = 2000
/** Bytes that were verified are read again after this time, whatever the file system says: they may have rotted. */
export const VERIFIED_READ_AGAIN_MS: number = 7 * 24 * 3600 * 1000
/** Runs of checked blocks that share one sync: as much as comes from a peer while the one before it is made. */
export const ACCEPT_SYNC_BYTES: number = 4 * 1024 * 1024
/** What an entry takes in a record, payload included, where only their number is known: as in the benches. */
export const ENTRY_BYTES_USUAL = 300
/** Less than that from a peer is checked on the spot. */
export const CHECK_AHEAD_BYTES: number = 256 * 1024
/** Read at once by a verification, which checks nothing between two turns of the loop itself. */
export const CHECK_READ_BYTES: number = 512 * 1024
/** Whole tiles of a lane's tree that stay in memory, 16 KB each with the nodes above: all of four million entries. */
export const TILES_KEPT_MAX = 64
