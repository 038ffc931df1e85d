// What the kernel and a carrier say to each other: a verb of one letter, the number of a connection, and bytes.
// Both are of one version and one machine: nothing of it is stored or leaves it.

/** From the carrier. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly id: number }
  | { readonly kind: 'said'; readonly id: number; readonly bytes: Buffer }
  /** The client says no more. */
  | { readonly kind: 'finished'; readonly id: number }
  | { readonly kind: 'connected'; readonly id: number }
  | { readonly kind: 'unreachable'; readonly id: number }
  | { readonly kind: 'moved' | 'gone'; readonly id: number; readonly moved: Moved }

/** Bytes of one connection so far, without what was said about where to go. */
export interface Moved {
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** To the carrier. */
export type Verb = keyof typeof VERBS

const VERBS = {
  /** Read once more from inside. */
  more: 'm',
  /** To inside. */
  answer: 's',
  /** `FAMILY ADDRESS PORT`. */
  dial: 'd',
  /** To outside. */
  send: 'o',
  /** Both may talk. `w`: what comes from inside goes through the kernel still. */
  relay: 'r',
  /** Of a watched one: inside has no more to say. */
  finish: 'h',
  /** Say what has moved so far. */
  count: 'q',
  /** Says this to inside, and ends. */
  end: 'e',
  /** Ends at once. */
  cut: 'c'
} as const

const HEAD_BYTES = 9

export function frame(verb: Verb, id: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.write(VERBS[verb], 0, 'latin1')
  head.writeUInt32BE(id, 1)
  head.writeUInt32BE(bytes.length, 5)
  return Buffer.concat([head, bytes])
}

/** Takes whole frames out of a stream of bytes. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): readonly Told[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const told: Told[] = []
    while (this.#rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.#rest.readUInt32BE(5)
      if (this.#rest.length < end) break
      const id = this.#rest.readUInt32BE(1)
      const verb = this.#rest.toString('latin1', 0, 1)
      const one = read(verb, id, this.#rest.subarray(HEAD_BYTES, end))
      if (one !== null) told.push(one)
      this.#rest = this.#rest.subarray(end)
    }
    return told
  }
}

/** Null for what nobody says. */
function read(verb: string, id: number, body: Buffer): Told | null {
  if (verb === 'R') return { kind: 'ready' }
  if (verb === 'O') return { kind: 'opened', id }
  if (verb === 'D') return { kind: 'said', id, bytes: body }
  if (verb === 'E') return { kind: 'finished', id }
  if (verb === 'C') return { kind: 'connected', id }
  if (verb === 'X') return { kind: 'unreachable', id }
  if ((verb !== 'M' && verb !== 'G') || body.length < 16) return null
  const moved = {
    sentBytes: Number(body.readBigUInt64BE(0)),
    receivedBytes: Number(body.readBigUInt64BE(8))
  }
  return { kind: verb === 'M' ? 'moved' : 'gone', id, moved }
}
