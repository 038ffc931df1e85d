// Goal: what a replica takes from an Automerge change is what Automerge makes of it, and no bytes of whoever
// cost more than they should. Method: random edits by Automerge itself, merged by it and read by us; chunks that say
// more than they hold, built by hand; and random damage.

import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import * as Automerge from '@automerge/automerge'
import fc from 'fast-check'
import { concatBytes, utf8 } from '../../../../core/index.ts'
import { systemClock } from '../../../../core/system.ts'
import { readChange, readDocument, RowDocument } from '../../../../mesh/documents/automerge.ts'
import { checkChangeBounds, checkDocumentBounds } from '../../../../mesh/documents/chunk-bounds.ts'
import {
  CHUNK_BYTES_MAX,
  CHUNK_ENTRIES_MAX,
  ROWS_PER_DOCUMENT_MAX
} from '../../../../mesh/limits.ts'

const invalid = { code: 'MESH_DOCUMENT_INVALID' }

type Root = Record<string, unknown>
type Edit = (root: Root, key: string, text: string) => void

/** All that Automerge lets a writer do to its document, more than rows need. */
const EDITS: readonly Edit[] = [
  (root, key, text) => (root[key] = new Automerge.ImmutableString(text)),
  (root, key, text) => {
    root[key] = new Automerge.ImmutableString('at first')
    delete root[key]
    root[key] = new Automerge.ImmutableString(text)
  },
  (root, key) => delete root[key],
  (root, key, text) => (root[key] = text),
  (root, key, text) => (root[key] = text.length),
  (root, key) => (root[key] = null),
  (root, key, text) => (root[key] = utf8(text)),
  (root, key) => {
    const found = root[key]
    if (found instanceof Automerge.Counter) found.increment(2)
    else root[key] = new Automerge.Counter(1)
  },
  (root, key, text) => {
    const found = root[key]
    if (Array.isArray(found)) found.splice(0, 1, text, { [key]: text })
    else root[key] = [text, [key]]
  },
  (root, key, text) => (root[key] = { [key]: new Automerge.ImmutableString(text), inner: { a: 1 } })
]

describe('mesh/documents: a change, read without merging it', () => {
  it('comes to what Automerge makes of it, whatever its writer does', () => {
    const step = fc.array(
      fc.record({
        edit: fc.constantFrom(...EDITS),
        key: fc.oneof(
          fc.constantFrom('a/1', 'b/2', 'constructor', '\u{1f600}'),
          fc.string({ minLength: 1 })
        ),
        text: fc.oneof(fc.string({ unit: 'binary' }), fc.constant('a longer text '.repeat(30)))
      }),
      { maxLength: 4 }
    )
    let kinds = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        let writer = Automerge.init<Root>()
        const merged = RowDocument.load(Automerge.save(writer))
        const rows = new Map<string, string>()
        for (const edits of steps) {
          const before = writer
          writer = Automerge.change(writer, (root) => {
            for (const { edit, key, text } of edits) if (key !== '__proto__') edit(root, key, text)
          })
          if (writer === before) continue
          const change = Automerge.getLastLocalChange(writer)
          assert.ok(change !== undefined)
          merged.apply(change)
          const read = readChange(change)
          kinds |= read.isOfRowsAlone ? 1 : 2
          for (const [key, text] of read.edits) {
            if (text === null) rows.delete(key)
            else rows.set(key, text)
          }
          assert.deepEqual(rows, rowsOf(merged))
        }
        const whole = RowDocument.load(Automerge.save(writer))
        assert.deepEqual(rows, rowsOf(whole))
        assert.deepEqual(rows, readDocument(Automerge.save(writer)))
        merged.free()
        whole.free()
      }),
      { numRuns: 25 }
    )
    assert.equal(kinds, 3, 'changes of rows alone, and others')
  })

  it('is taken at the greatest size that an honest owner may need', () => {
    const writer = RowDocument.create('writer')
    const field = (index: number): string => `rows/${String(index).padStart(8, '0')}`
    const rows = (
      text: (index: number) => string | null,
      from: number
    ): Map<string, string | null> =>
      new Map(
        Array.from({ length: ROWS_PER_DOCUMENT_MAX }, (_, index) => [
          field(from + index),
          text(from + index)
        ])
      )
    const put = writer.edit(rows((index) => `"${index} ${'x'.repeat(150)}"`, 0))
    const exchange = writer.edit(
      new Map([...rows(() => null, 0), ...rows((index) => `"${index}"`, ROWS_PER_DOCUMENT_MAX)])
    )
    assert.ok(put !== null && exchange !== null)
    assert.equal(readChange(put).edits.size, ROWS_PER_DOCUMENT_MAX)
    assert.equal(readChange(exchange).edits.size, 2 * ROWS_PER_DOCUMENT_MAX)
    const reader = RowDocument.load(writer.save())
    assert.equal(reader.keys().length, ROWS_PER_DOCUMENT_MAX)
  })
})

describe('mesh/documents: the bounds of Automerge’s bytes', () => {
  it('refuse a billion operations in fifty bytes, in whichever column they are (A1)', () => {
    const began = systemClock.now()
    for (const column of ['key', 'insert', 'action', 'kind', 'group'] as const) {
      const bytes = chunk(1, changeOf(deletions(1_000_000_000, column)))
      assert.ok(bytes.length < 60)
      assert.throws(() => readChange(bytes), invalid, column)
    }
    const saved = concatBytes(
      Uint8Array.of(0, 0),
      columnsOf(deletions(1_000_000_000, 'action'), true)
    )
    assert.throws(() => RowDocument.load(chunk(0, saved)), { message: /entries/ })
    assert.ok(systemClock.now() - began < 1000)
    const some = chunk(1, changeOf(deletions(3, 'all')))
    assert.deepEqual([...readChange(some).edits], [['k', null]], 'built as Automerge reads it')
    const compressed = chunk(2, changeOf(deletions(3, 'all')))
    assert.deepEqual([...readChange(compressed).edits], [['k', null]])
  })

  it('refuse what inflates beyond them, and what one text stands for many times (A1, A2)', () => {
    const tooLarge = new Uint8Array(CHUNK_BYTES_MAX + 1)
    const bomb = chunk(2, tooLarge)
    assert.ok(bomb.length < 20_000)
    assert.throws(() => readChange(bomb), { message: /cannot be inflated/ })
    const key = concatBytes(leb128(1000), utf8('k'.repeat(1000)))
    const columns: Columns = [[0x15, Uint8Array.of(...signed(CHUNK_ENTRIES_MAX), ...key)]]
    assert.throws(() => readChange(chunk(1, changeOf(columns))), { message: /stands for/ })
    const deflated: Columns = [[0x1f, deflateRawSync(tooLarge)]]
    const saved = concatBytes(Uint8Array.of(0, 0), columnsOf(deflated, true))
    assert.throws(() => RowDocument.load(chunk(0, saved)), { message: /cannot be inflated/ })
  })

  it('refuse what is cut off, has something behind it, or is of another kind', () => {
    const writer = RowDocument.create('writer')
    const change = writer.edit(new Map([['rows/1', 'x'.repeat(400)]]))
    const saved = writer.save()
    assert.ok(change !== null)
    for (let size = 0; size < change.length; size++) {
      assert.throws(() => readChange(change.subarray(0, size)), invalid, `cut at ${size}`)
    }
    for (let size = 0; size < saved.length; size++) {
      assert.throws(() => RowDocument.load(saved.subarray(0, size)), invalid, `cut at ${size}`)
    }
    assert.throws(() => readChange(concatBytes(change, change)), invalid)
    assert.throws(() => RowDocument.load(concatBytes(saved, change)), invalid)
    assert.throws(() => readChange(saved), invalid)
    assert.throws(() => RowDocument.load(change), invalid)
  })

  it('never throw anything but one error, nor take long, whatever the contents (A2)', () => {
    const writer = RowDocument.create('writer')
    const change = writer.edit(
      new Map([
        ['rows/1', 'one'],
        ['rows/2', 'two'],
        ['rows/3', null]
      ])
    )
    assert.ok(change !== null)
    const contents = change.subarray(10)
    const damaged = fc.tuple(fc.nat(contents.length - 1), fc.nat(255)).map(([at, byte]) => {
      const bad = contents.slice()
      bad[at] = byte
      return bad
    })
    const anything = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }))
    let longest = 0
    fc.assert(
      fc.property(anything, fc.constantFrom(0, 1, 2), (bytes, type) => {
        const began = systemClock.now()
        const whole = chunk(type, bytes)
        for (const check of [
          readDocument,
          checkChangeBounds,
          checkDocumentBounds,
          readChange,
          (it: Uint8Array) => RowDocument.load(it)
        ]) {
          try {
            check(whole)
          } catch (error) {
            assert.equal(Reflect.get(Object(error), 'code'), invalid.code, String(error))
          }
        }
        longest = Math.max(longest, systemClock.now() - began)
      }),
      { numRuns: 3000 }
    )
    assert.ok(longest < 1000, `${longest} ms`)
  })
})

function rowsOf(document: RowDocument): ReadonlyMap<string, string> {
  const rows = document.keys().map((key) => [key, document.get(key)] as const)
  return new Map(rows.flatMap(([key, text]) => (text === null ? [] : [[key, text] as const])))
}

type Columns = readonly (readonly [number: number, bytes: Uint8Array])[]

/** Deletions of one key at the root, `count` of them in one column or in all. */
function deletions(count: number, inColumn: string): Columns {
  const times = (column: string): number => (inColumn === column || inColumn === 'all' ? count : 1)
  const run = (column: string, ...value: number[]): Uint8Array =>
    Uint8Array.of(...signed(times(column)), ...value)
  return [
    [0x15, run('key', 1, ...utf8('k'))],
    [0x34, leb128(times('insert'))],
    [0x42, run('action', 3)],
    [0x56, run('kind', 0)],
    [0x70, inColumn === 'group' ? Uint8Array.of(1, ...leb128(count)) : run('group', 0)]
  ]
}

function columnsOf(columns: Columns, isDocument = false): Uint8Array {
  const head = columns.flatMap(([number, bytes]) => [leb128(number), leb128(bytes.length)])
  const count = leb128(columns.length)
  const none = isDocument ? [Uint8Array.of(0)] : [] // No columns of changes.
  return concatBytes(...none, count, ...head, ...columns.map(([, bytes]) => bytes))
}

/** No dependencies, a writer, numbers, no message, no other writers. */
function changeOf(columns: Columns): Uint8Array {
  return concatBytes(Uint8Array.of(0, 1, 7, 1, 1, 0, 0, 0), columnsOf(columns))
}

/** As Automerge stores it. The sum of a compressed change is of what it would be without compression. */
function chunk(type: number, contents: Uint8Array): Uint8Array {
  const isCompressed = type === 2
  const whole = (kind: number, bytes: Uint8Array): Uint8Array =>
    concatBytes(Uint8Array.of(kind), leb128(bytes.length), bytes)
  const sum = hash('sha256', whole(isCompressed ? 1 : type, contents), 'buffer').subarray(0, 4)
  const stored = isCompressed ? deflateRawSync(contents) : contents
  return concatBytes(Uint8Array.of(0x85, 0x6f, 0x4a, 0x83), sum, whole(type, stored))
}

function leb128(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Uint8Array.of(...bytes, rest)
}

/** Of what is not negative: a last byte above 63 would say that it is. */
function signed(value: number): Uint8Array {
  const bytes = leb128(value)
  const last = bytes.at(-1) ?? 0
  return last < 64 ? bytes : Uint8Array.of(...bytes.subarray(0, -1), last | 128, 0)
}
