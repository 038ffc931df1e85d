// Every bound of this room. A decision goes into one chain entry, whose payload has 64 KiB.

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
/** Characters of a rule's id and of a hint. */
export const RULE_LENGTH_MAX = 64
export const HINT_LENGTH_MAX = 300
