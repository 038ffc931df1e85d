// What Automerge would make of a chunk of bytes, before it is asked to. Fifty bytes can say "the same operation,
// a billion times", or inflate to gigabytes, and Automerge does as it is told. This reads lengths and counts,
// nothing of what they mean. The format: automerge.org/automerge-binary-format-spec.
//
// Invariants
//   A1. No column has more than CHUNK_ENTRIES_MAX entries, and all of them together stand for CHUNK_BYTES_MAX.
//   A2. What this costs is bounded by the bytes there are, and by CHUNK_BYTES_MAX for what is compressed.

import { inflateRawSync } from 'node:zlib'
import { equalBytes } from '../../core/index.ts'
import { CHUNK_BYTES_MAX, CHUNK_ENTRIES_MAX } from '../limits.ts'
import { ByteReader, chunkInvalid } from './byte-reader.ts'

const MAGIC = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83)
const CHECKSUM_BYTES = 4
const HASH_BYTES = 32

const DOCUMENT = 0
const CHANGE = 1
const COMPRESSED_CHANGE = 2

/** The lower four bits of a column's number. */
const COMPRESSED = 8
const TYPES = 8
const GROUP = 0
const BOOLEAN = 4
const TEXT = 5
const VALUE_KIND = 6
const VALUE = 7
/** A value's kind has its size above the lower four bits. */
const KINDS = 16

interface Column {
  readonly number: number
  readonly size: number
}

/**
 * Whether these bytes are one change, of bounded cost to Automerge. Whether they are in order, Automerge says.
 * @throws MeshError `MESH_DOCUMENT_INVALID`
 */
export function checkChangeBounds(bytes: Uint8Array): void {
  const { type, stored } = chunkOf(bytes)
  if (type !== CHANGE && type !== COMPRESSED_CHANGE) throw chunkInvalid('it is no change')
  const reader = new ByteReader(type === CHANGE ? stored : inflated(stored))
  reader.skip(HASH_BYTES * reader.unsigned()) // What it depends on.
  reader.skip(reader.unsigned()) // Its writer.
  reader.skipNumber() // Its number.
  reader.skipNumber() // Its first operation's.
  reader.skipNumber() // Its time.
  reader.skip(reader.unsigned()) // A message.
  for (let writers = reader.unsigned(); writers > 0; writers--) reader.skip(reader.unsigned())
  checkColumns(reader, columnsIn(reader), new Allowance())
}

/**
 * The same for one saved document.
 * @throws MeshError `MESH_DOCUMENT_INVALID`
 */
export function checkDocumentBounds(bytes: Uint8Array): void {
  const { type, stored } = chunkOf(bytes)
  if (type !== DOCUMENT) throw chunkInvalid('it is no document')
  const reader = new ByteReader(stored)
  for (let writers = reader.unsigned(); writers > 0; writers--) reader.skip(reader.unsigned())
  reader.skip(HASH_BYTES * reader.unsigned()) // Its heads.
  const changes = columnsIn(reader)
  const operations = columnsIn(reader)
  const allowance = new Allowance()
  checkColumns(reader, changes, allowance)
  checkColumns(reader, operations, allowance)
}

/** What all columns together may stand for (A1). */
class Allowance {
  #bytes = 0

  take(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > CHUNK_BYTES_MAX)
      throw chunkInvalid(`it stands for > ${CHUNK_BYTES_MAX} bytes`)
  }
}

/** The one chunk that `bytes` are. */
function chunkOf(bytes: Uint8Array): { readonly type: number; readonly stored: Uint8Array } {
  const reader = new ByteReader(bytes)
  if (!equalBytes(reader.take(MAGIC.length), MAGIC)) throw chunkInvalid('they begin otherwise')
  reader.skip(CHECKSUM_BYTES) // Automerge compares it.
  const [type = -1] = reader.take(1)
  const stored = reader.take(reader.unsigned())
  if (!reader.isAtEnd) throw chunkInvalid('something follows')
  return { type, stored }
}

function inflated(bytes: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: CHUNK_BYTES_MAX }) // A2
  } catch (error) {
    throw chunkInvalid('it cannot be inflated', error)
  }
}

function columnsIn(reader: ByteReader): readonly Column[] {
  const columns: Column[] = []
  for (let left = reader.unsigned(); left > 0; left--) {
    columns.push({ number: reader.unsigned(), size: reader.unsigned() })
  }
  return columns
}

function checkColumns(reader: ByteReader, columns: readonly Column[], allowance: Allowance): void {
  for (const { number, size } of columns) {
    const stored = reader.take(size)
    const bytes = (number & COMPRESSED) === 0 ? stored : inflated(stored)
    allowance.take(bytes.length)
    const type = number % TYPES
    if (type === BOOLEAN) checkBooleans(new ByteReader(bytes))
    else if (type !== VALUE) checkRuns(new ByteReader(bytes), type, allowance)
  }
}

function checkBooleans(reader: ByteReader): void {
  let entries = 0
  while (!reader.isAtEnd) entries = counted(entries + reader.unsigned())
}

/** By its run lengths: `n` times one value, `-n` values, or 0 and how many nulls. */
function checkRuns(reader: ByteReader, type: number, allowance: Allowance): void {
  let entries = 0
  while (!reader.isAtEnd) {
    const count = reader.signed()
    const run = count === 0 ? reader.unsigned() : Math.abs(count)
    entries = counted(entries + run)
    if (count > 0) allowance.take(run * weightOf(reader, type))
    else for (let left = -count; left > 0; left--) allowance.take(weightOf(reader, type))
  }
}

function counted(entries: number): number {
  if (entries > CHUNK_ENTRIES_MAX) throw chunkInvalid(`a column has > ${CHUNK_ENTRIES_MAX} entries`)
  return entries
}

/** Reads one value. @returns the bytes, or entries elsewhere, that it stands for */
function weightOf(reader: ByteReader, type: number): number {
  if (type === TEXT) {
    const size = reader.unsigned()
    reader.skip(size)
    return size
  }
  if (type === GROUP) return reader.unsigned()
  if (type === VALUE_KIND) return Math.floor(reader.unsigned() / KINDS)
  reader.skipNumber()
  return 0
}
