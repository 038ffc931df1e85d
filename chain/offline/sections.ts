// The outer form of an export file: docs/chain-format.md, "Exports". Reads in bounded memory.

import { encodeText, join } from './bytes.ts'
import { Malformed } from './errors.ts'
import { inDomain } from './keys.ts'
import type { Primitives } from './primitives.ts'

/** `WEFT`, the line ends that a text transfer would change, version 1. */
export const EXPORT_MAGIC: Uint8Array = Uint8Array.of(
  0x57,
  0x45,
  0x46,
  0x54,
  0x0d,
  0x0a,
  0x1a,
  0x0a,
  0,
  0,
  0,
  1
)
const EXPORT_DOMAIN = 'weft/export/1'
const HEAD_BYTES = 8
/** The statements of a full mesh; records are at most a mebibyte. */
export const SECTION_BYTES_MAX: number = 64 * 1024 * 1024

export type SectionType = 'MESH' | 'LANE' | 'BLCK' | 'LKEY' | 'NOTE' | 'DONE'

export interface Section {
  readonly type: string
  readonly body: Uint8Array
  /** The digest of all that stands before this section. */
  readonly digest: Uint8Array
}

/** The digest of the file up to and including a section, from that before it. */
export function nextDigest(
  { shake256 }: Primitives,
  digest: Uint8Array,
  ...section: readonly Uint8Array[]
): Uint8Array {
  return shake256(inDomain(EXPORT_DOMAIN, digest, ...section))
}

export function firstDigest(primitives: Primitives): Uint8Array {
  return nextDigest(primitives, new Uint8Array(32), EXPORT_MAGIC)
}

export function formatSection(type: SectionType, body: Uint8Array): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  head.set(encodeText(type))
  new DataView(head.buffer).setUint32(4, body.length)
  return join(head, body)
}

/** @throws Malformed where the form of the file ends to make sense */
export async function* readSections(
  primitives: Primitives,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
): AsyncGenerator<Section> {
  const source = new Source(chunks)
  const magic = await source.take(EXPORT_MAGIC.length)
  if (magic === null || magic.some((byte, index) => byte !== EXPORT_MAGIC[index])) {
    throw new Malformed('it does not begin as an export of version 1')
  }
  let digest = firstDigest(primitives)
  for (;;) {
    const head = await source.take(HEAD_BYTES)
    if (head === null) return
    const length = new DataView(head.buffer, head.byteOffset, HEAD_BYTES).getUint32(4)
    const body = length <= SECTION_BYTES_MAX ? await source.take(length) : null
    if (body === null) throw new Malformed('a section ends early')
    yield { type: String.fromCharCode(...head.subarray(0, 4)), body, digest }
    digest = nextDigest(primitives, digest, head, body)
  }
}

class Source {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#chunks =
      Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
  }

  /** Exactly so many bytes; null at the end of the file. @throws Malformed where it ends in between */
  async take(length: number): Promise<Uint8Array | null> {
    const parts = [this.#rest]
    let size = this.#rest.length
    while (size < length) {
      const next = await this.#chunks.next()
      if (next.done === true) break
      parts.push(next.value)
      size += next.value.length
    }
    const bytes = parts.length === 1 ? this.#rest : join(...parts)
    if (size < length) {
      if (size === 0) return null
      throw new Malformed('it ends early')
    }
    this.#rest = bytes.subarray(length)
    return bytes.subarray(0, length)
  }
}
