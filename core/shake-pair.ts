// SHAKE-256 of many short messages. A call into OpenSSL costs more than the hash of 200 bytes itself, so
// these are hashed two at a time by the vector code of keccak-wasm.ts: a fifth of the time.
//
// Invariants
//   K1. Each digest is that of node:crypto for the same bytes: one of each length class is compared
//       when the module is made, and a machine whose vectors calculate otherwise hashes nothing here.

import { hash } from 'node:crypto'
import { equalBytes } from './bytes.ts'
import { invariant } from './errors.ts'
import { HASH_BYTES } from './hash.ts'
import {
  DIGESTS_AT,
  keccakModule,
  MEMORY_BYTES,
  MESSAGES_AT,
  RATE_BYTES,
  STATE_AT,
  STATE_BYTES
} from './keccak-wasm.ts'

/** What is hashed: a domain's prefix, and up to two parts, joined. */
export interface Message {
  readonly prefix: Uint8Array
  readonly first: Uint8Array
  readonly second?: Uint8Array
}

// Two messages share the module's memory; from here on a call into OpenSSL is no longer slower.
const MESSAGE_BYTES_MAX = 16 * 1024
const FIRST_AT = MESSAGES_AT
const SECOND_AT: number = MESSAGES_AT + MESSAGE_BYTES_MAX + RATE_BYTES
const PADDING = 0x1f // The four ones of SHAKE and the first one of the padding: FIPS 202 section 6.2.

/** Where messages lie in one piece of memory: from and to of each, in turn. */
export interface Slices {
  readonly bytes: Uint8Array
  readonly bounds: Uint32Array
}

type Absorb = (first: number, second: number, blocks: number) => void

class PairHasher {
  readonly #memory: Uint8Array
  readonly #absorb: Absorb

  constructor(memory: Uint8Array, absorb: Absorb) {
    this.#memory = memory
    this.#absorb = absorb
  }

  /** Both must fit; with one, the other half of each vector calculates for nobody. */
  hash(one: Message, other: Message | null): readonly [Uint8Array, Uint8Array] {
    const digests = new Uint8Array(2 * HASH_BYTES)
    const blocks = this.#put(one, FIRST_AT)
    const otherBlocks = other === null ? blocks : this.#put(other, SECOND_AT)
    this.#absorbBoth(blocks, otherBlocks, { digests, at: 0 })
    return [digests.slice(0, HASH_BYTES), digests.slice(HASH_BYTES)]
  }

  /** The hashes of `prefix` and each slice, all of which fit, one behind another in `digests`. */
  hashSlices(prefix: Uint8Array, { bytes, bounds }: Slices, digests: Uint8Array): void {
    const memory = this.#memory
    memory.set(prefix, FIRST_AT) // Stays there: what follows overwrites only what stands behind it.
    memory.set(prefix, SECOND_AT)
    const put = (index: number, at: number): number => {
      const [from, to] = [bounds[index] ?? 0, bounds[index + 1] ?? 0]
      memory.set(bytes.subarray(from, to), at + prefix.length)
      return this.#pad(at, at + prefix.length + to - from)
    }
    for (let index = 0; index < bounds.length; index += 4) {
      const blocks = put(index, FIRST_AT)
      const otherBlocks = index + 2 < bounds.length ? put(index + 2, SECOND_AT) : 0
      this.#absorbBoth(blocks, otherBlocks, { digests, at: index * (HASH_BYTES / 2) })
    }
  }

  #absorbBoth(blocks: number, otherBlocks: number, { digests, at }: Place): void {
    const shared = otherBlocks === 0 ? blocks : Math.min(blocks, otherBlocks)
    this.#memory.fill(0, STATE_AT, STATE_AT + STATE_BYTES)
    this.#absorb(FIRST_AT, SECOND_AT, shared)
    this.#digest(0, digests, at)
    if (otherBlocks === 0) return
    this.#digest(1, digests, at + HASH_BYTES)
    const rest = Math.max(blocks, otherBlocks) - shared
    if (rest === 0) return
    // The shorter one is done, and what its half calculates from here on is not looked at.
    const from = shared * RATE_BYTES
    this.#absorb(FIRST_AT + from, SECOND_AT + from, rest)
    if (blocks > otherBlocks) this.#digest(0, digests, at)
    else this.#digest(1, digests, at + HASH_BYTES)
  }

  /** Lays a message out with its padding, and returns how many blocks it takes. */
  #put({ prefix, first, second }: Message, at: number): number {
    const memory = this.#memory
    memory.set(prefix, at)
    let end = at + prefix.length
    memory.set(first, end)
    end += first.length
    if (second !== undefined) {
      memory.set(second, end)
      end += second.length
    }
    return this.#pad(at, end)
  }

  /** Ends a message that lies from `at` to `end`, and returns how many blocks it takes. */
  #pad(at: number, end: number): number {
    const memory = this.#memory
    const blocks = Math.floor((end - at) / RATE_BYTES) + 1
    const blocksEnd = at + blocks * RATE_BYTES
    memory.fill(0, end, blocksEnd)
    memory[end] = PADDING
    memory[blocksEnd - 1] = (memory[blocksEnd - 1] ?? 0) | 0x80
    return blocks
  }

  #digest(half: 0 | 1, digests: Uint8Array, at: number): void {
    const from = DIGESTS_AT + half * HASH_BYTES
    for (let index = 0; index < HASH_BYTES; index += 1) {
      digests[at + index] = this.#memory[from + index] ?? 0
    }
  }
}

interface Place {
  readonly digests: Uint8Array
  readonly at: number
}

/** The hash of each message, in order. */
export function shake256All(messages: readonly Message[]): Uint8Array[] {
  hasher ??= newHasher()
  const digests: Uint8Array[] = []
  for (let index = 0; index < messages.length; index += 2) {
    const [one, other] = [messages[index], messages[index + 1]]
    if (one === undefined) break
    const isQuick = isShort(one) && (other === undefined || isShort(other))
    if (hasher !== 'none' && isQuick) {
      const [digest, otherDigest] = hasher.hash(one, other ?? null)
      digests.push(digest)
      if (other !== undefined) digests.push(otherDigest)
    } else {
      digests.push(plainHash(one))
      if (other !== undefined) digests.push(plainHash(other))
    }
  }
  return digests
}

/**
 * The hash of `prefix` and each slice, in order, laid one behind another into `digests`, which may be the slices'
 * own memory as long as no slice lies before its digest ends.
 */
export function shake256Slices(prefix: Uint8Array, slices: Slices, digests: Uint8Array): void {
  hasher ??= newHasher()
  const { bytes, bounds } = slices
  let longest = 0
  for (let index = 0; index < bounds.length; index += 2) {
    longest = Math.max(longest, (bounds[index + 1] ?? 0) - (bounds[index] ?? 0))
  }
  if (hasher !== 'none' && prefix.length + longest <= MESSAGE_BYTES_MAX) {
    hasher.hashSlices(prefix, slices, digests)
    return
  }
  const messages: Message[] = []
  for (let index = 0; index < bounds.length; index += 2) {
    messages.push({ prefix, first: bytes.subarray(bounds[index], bounds[index + 1]) })
  }
  for (const [index, digest] of shake256All(messages).entries()) {
    digests.set(digest, index * HASH_BYTES)
  }
}

function isShort({ prefix, first, second }: Message): boolean {
  return prefix.length + first.length + (second?.length ?? 0) <= MESSAGE_BYTES_MAX
}

/** The same by node:crypto. */
function plainHash({ prefix, first, second }: Message): Uint8Array {
  const parts = second === undefined ? [prefix, first] : [prefix, first, second]
  const options = { outputEncoding: 'buffer', outputLength: HASH_BYTES } as const
  return new Uint8Array(hash('shake256', Buffer.concat(parts), options))
}

let hasher: PairHasher | 'none' | null = null

function newHasher(): PairHasher | 'none' {
  const module = compiled()
  if (module === null) return 'none'
  const { memory, absorb } = new WebAssembly.Instance(module).exports
  invariant(memory instanceof WebAssembly.Memory && isAbsorb(absorb), 'The module has its exports')
  const made = new PairHasher(new Uint8Array(memory.buffer), absorb)
  const [long, short] = [probe(3 * RATE_BYTES), probe(RATE_BYTES - 2)]
  const digests = made.hash(long, short)
  const isSame = equalBytes(digests[0], plainHash(long)) && equalBytes(digests[1], plainHash(short))
  return isSame ? made : 'none' // K1
}

function probe(length: number): Message {
  return { prefix: new Uint8Array(1), first: new Uint8Array(length).fill(length) }
}

/** Null on a processor without 128-bit vectors. */
function compiled(): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(keccakModule())
  } catch (error) {
    if (error instanceof Error && error.name === 'CompileError') return null
    throw error
  }
}

function isAbsorb(value: unknown): value is Absorb {
  return typeof value === 'function'
}

invariant(SECOND_AT + MESSAGE_BYTES_MAX + RATE_BYTES <= MEMORY_BYTES, 'Two messages fit')
