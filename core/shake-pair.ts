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
    const blocks = this.#put(one, FIRST_AT)
    const otherBlocks = other === null ? blocks : this.#put(other, SECOND_AT)
    const shared = Math.min(blocks, otherBlocks)
    this.#memory.fill(0, STATE_AT, STATE_AT + STATE_BYTES)
    this.#absorb(FIRST_AT, SECOND_AT, shared)
    const digests: [Uint8Array, Uint8Array] = [this.#digest(0), this.#digest(1)]
    const rest = Math.max(blocks, otherBlocks) - shared
    if (rest > 0) {
      // The shorter one is done, and what its half calculates from here on is not looked at.
      const at = shared * RATE_BYTES
      this.#absorb(FIRST_AT + at, SECOND_AT + at, rest)
      const longer = blocks > otherBlocks ? 0 : 1
      digests[longer] = this.#digest(longer)
    }
    return digests
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
    const blocks = Math.floor((end - at) / RATE_BYTES) + 1
    const blocksEnd = at + blocks * RATE_BYTES
    memory.fill(0, end, blocksEnd)
    memory[end] = PADDING
    memory[blocksEnd - 1] = (memory[blocksEnd - 1] ?? 0) | 0x80
    return blocks
  }

  #digest(half: 0 | 1): Uint8Array {
    const at = DIGESTS_AT + half * HASH_BYTES
    return this.#memory.slice(at, at + HASH_BYTES)
  }
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
