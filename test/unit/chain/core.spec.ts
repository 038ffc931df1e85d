import assert from 'node:assert/strict'
import { createHash, hash } from 'node:crypto'
import { shake256 as nobleShake256 } from '@noble/hashes/sha3.js'
import fc from 'fast-check'
import { entryId, planWants } from '../../../chain/index.ts'
import { decodeEntry, encodeEntry } from '../../../chain/entry.ts'
import {
  blockHash,
  hashAll,
  hashesOf,
  leaf,
  leafHashes,
  node,
  payload
} from '../../../chain/hashes.ts'
import { decodeHeader, encodeHeader } from '../../../chain/header.ts'
import { compareHlc, observe, tick } from '../../../chain/hlc.ts'
import { merkleRoot } from '../../../chain/merkle.ts'
import {
  concatBytes,
  encodeCbor,
  fromHex,
  shake256,
  shake256All,
  toHex,
  unixMillis
} from '../../../core/index.ts'
import { signerOf } from './kit.ts'

const lane = signerOf(1).nodeId
const other = signerOf(2).nodeId
const third = signerOf(3).nodeId

describe('chain: hashes', () => {
  // NIST CAVP SHAKE256ShortMsg (Len 0, 8, 16, 24) and the 1600-bit example of FIPS 202.
  const vectors: readonly (readonly [message: string, output: string])[] = [
    ['', '46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f'],
    ['0f', 'aabb07488ff9edd05d6a603b7791b60a16d45093608f1badc0c9cc9a9154f215'],
    ['0dc1', '8e2df9d379bb034aee064e965f960ebb418a9bb535025fb96427f678cf207877'],
    ['21eda6', 'f7d02b4512be5ddcc25d148c71664dfd34e16abea26d6e7287f45e08ed6fcd87'],
    ['a3'.repeat(200), 'cd8a920ed141aa0407a22d59288652e9d9f1a7ee0c1e7c1ca699424da84a904d']
  ]

  for (const [message, output] of vectors) {
    it(`SHAKE-256 of ${message.length / 2} bytes is NIST's in all implementations in use`, () => {
      const bytes = fromHex(message) ?? new Uint8Array(0)
      const streaming = createHash('shake256', { outputLength: 32 }).update(bytes).digest('hex')
      assert.equal(streaming, output)
      assert.equal(hash('shake256', bytes, { outputEncoding: 'hex', outputLength: 32 }), output)
      assert.equal(toHex(nobleShake256(bytes, { dkLen: 32 })), output)
      const whole = { prefix: new Uint8Array(0), first: bytes }
      assert.deepEqual(shake256All([whole, whole]).map(toHex), [output, output])
    })
  }

  it('the hashes of many at once equal the plain ones, whatever their sizes', () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.constantFrom(16_376, 16_377, 40_000))
    const part = size.map((length) => new Uint8Array(length).fill(length))
    fc.assert(
      fc.property(fc.array(fc.tuple(part, part), { maxLength: 9 }), (parts) => {
        assert.deepEqual(
          hashAll(parts.map(([first, second]) => payload(first, second))),
          parts.map(([first, second]) => shake256('weft/payload/1', first, second))
        )
      })
    )
    fc.assert(
      fc.property(fc.array(size, { maxLength: 9 }), (lengths) => {
        const slots = lengths.map((length, index) => new Uint8Array(length).fill(index))
        const ends = slots.map((_, index) => concatBytes(...slots.slice(0, index + 1)).length)
        const bounds = Uint32Array.from(ends.flatMap((end, at) => [ends[at - 1] ?? 0, end]))
        const digests = hashesOf('payload', { bytes: concatBytes(...slots), bounds })
        const expected = slots.map((slot) => shake256('weft/payload/1', slot))
        assert.deepEqual(digests, concatBytes(...expected))
      })
    )
    const bytes = new Uint8Array(130).fill(7)
    assert.deepEqual(leafHashes([bytes]), [shake256('weft/leaf/1', bytes)])
    assert.deepEqual(hashAll([leaf(bytes)]), [shake256('weft/leaf/1', bytes)])
    assert.deepEqual(hashAll([node(bytes, bytes)]), [shake256('weft/node/1', bytes, bytes)])
    assert.deepEqual(blockHash(bytes), shake256('weft/block/1', bytes))
  })
})

// RFC 6962 section 2.1, word for word.
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  if (leaves.length === 1 && first !== undefined) return first
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  const [left, right] = [naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split))]
  return shake256('weft/node/1', left, right)
}

describe('chain: Merkle root', () => {
  it('has the shape of RFC 6962 for 1 to 70 leaves', () => {
    for (let size = 1; size <= 70; size += 1) {
      const leaves = leafHashes(Array.from({ length: size }, (_, index) => Uint8Array.of(index)))
      assert.deepEqual(merkleRoot(leaves), naiveRoot(leaves))
    }
  })
})

describe('chain: hybrid logical clock', () => {
  const wall = fc.integer({ min: 0, max: 2_000_000_000_000 }).map(unixMillis)
  const reading = fc.record({
    ms: fc.integer({ min: 0, max: 2_000_000_000_000 }),
    counter: fc.integer({ min: 0, max: 65_535 })
  })

  it('tick() always goes forward, whatever the wall clock does (T1)', () => {
    fc.assert(fc.property(reading, wall, (last, now) => compareHlc(tick(last, now), last) > 0))
  })

  it('observe() never goes back, and never far ahead of the wall clock on a remote word (T2)', () => {
    fc.assert(
      fc.property(reading, reading, wall, (last, remote, now) => {
        const seen = observe(last, remote, now)
        assert(compareHlc(seen, last) >= 0)
        assert(seen.ms <= Math.max(last.ms, now + 60_000))
      })
    )
  })

  it('tick() borrows from the next millisecond when the counter is used up', () => {
    assert.deepEqual(tick({ ms: 5, counter: 65_535 }, unixMillis(5)), { ms: 6, counter: 0 })
  })
})

describe('chain: entries and headers', () => {
  const entry = {
    kind: 'task.submitted',
    actor: 'user:local',
    subject: 'task:1',
    time: { ms: 1, counter: 0 },
    payloadHash: new Uint8Array(32)
  }
  const header = {
    lane,
    height: 1,
    previous: new Uint8Array(32),
    entriesBefore: 0,
    count: 1,
    root: new Uint8Array(32).fill(1),
    time: { ms: 1, counter: 2 },
    links: []
  }

  it('come back as they were written', () => {
    assert.deepEqual(decodeEntry(encodeEntry(entry)), entry)
    const links = [other, third].map((id) => ({ lane: id, height: 9, hash: new Uint8Array(32) }))
    const decoded = decodeHeader(encodeHeader({ ...header, links: links.toReversed() }))
    assert.deepEqual({ ...decoded, links: [] }, header)
    assert.deepEqual(new Set(decoded.links), new Set(links))
    assert.deepEqual(encodeHeader(decoded), encodeHeader({ ...header, links }))
  })

  it('an encoding that is not canonical is refused', () => {
    const bytes = encodeEntry(entry)
    // The time 1 as a two-byte integer: the same value, another encoding.
    const at = bytes.length - 36
    assert.deepEqual([...bytes.subarray(at, at + 2)], [0x01, 0x00])
    const longer = Uint8Array.of(...bytes.subarray(0, at), 0x18, 0x01, ...bytes.subarray(at + 1))
    assert.throws(() => decodeEntry(longer), { code: 'CHAIN_FORMAT_INVALID' })
    assert.throws(() => decodeEntry(Uint8Array.of(...bytes, 0)), { code: 'CHAIN_FORMAT_INVALID' })
  })

  it('an entry out of bounds is refused', () => {
    const good = ['a.b', 'x', 'y', 1, 0, new Uint8Array(32)]
    assert.doesNotThrow(() => decodeEntry(encodeCbor(good)))
    const bad: readonly (readonly [number, string | number | bigint | null | Uint8Array])[] = [
      [0, 'A b'],
      [0, ''],
      [0, 'a'.repeat(65)],
      [1, ''],
      [1, 'x'.repeat(201)],
      [1, 'line\nbreak'],
      [2, null],
      [3, -1],
      [3, 2n ** 53n],
      [3, 0.5],
      [4, 65_536],
      [5, new Uint8Array(31)]
    ]
    for (const [position, value] of bad) {
      const bytes = encodeCbor(good.with(position, value as string))
      assert.throws(() => decodeEntry(bytes), { code: 'CHAIN_FORMAT_INVALID' }, `${position}`)
    }
    assert.throws(() => decodeEntry(encodeCbor([...good, 1])), { code: 'CHAIN_FORMAT_INVALID' })
  })

  it('a header out of bounds or of an unknown version is refused', () => {
    const key = new Uint8Array(32).fill(9)
    const hash32 = new Uint8Array(32)
    const good = [1, key, 1, hash32, 0, 1, hash32, 1, 0, []]
    assert.doesNotThrow(() => decodeHeader(encodeCbor(good)))
    const link = (fill: number) => [new Uint8Array(32).fill(fill), 1, hash32]
    const bad = [
      [0, 2],
      [1, new Uint8Array(31)],
      [2, 0],
      [2, 2n ** 53n],
      [4, -1],
      [5, 0],
      [5, 1025],
      [9, [link(2), link(1)]],
      [9, [link(1), link(1)]],
      [9, [link(9)]],
      [9, Array.from({ length: 65 }, (_, index) => link(index + 10))],
      [9, 0]
    ] as const
    for (const [position, value] of bad) {
      const bytes = encodeCbor(good.with(position, value as number))
      assert.throws(() => decodeHeader(bytes), { code: 'CHAIN_FORMAT_INVALID' }, `${position}`)
    }
  })

  it('entryId() reads what entries are called, and nothing else', () => {
    assert.deepEqual(entryId(`12.3@${lane}`), { lane, height: 12, index: 3, id: `12.3@${lane}` })
    for (const text of [
      '',
      '1.1',
      `0.0@${lane}`,
      `1.01@${lane}`,
      `1.1024@${lane}`,
      `-1.0@${lane}`
    ]) {
      assert.throws(() => entryId(text), { code: 'CHAIN_QUERY_INVALID' }, text)
    }
    assert.throws(() => entryId('1.1@abc'), { code: 'CORE_INVALID_NODE_ID' })
  })
})

describe('chain: planWants()', () => {
  it('asks for what is missing, never for the own lane', () => {
    const wants = planWants(
      lane,
      [
        { lane, height: 1 },
        { lane: other, height: 5 }
      ],
      [
        { lane, height: 9 },
        { lane: other, height: 7 },
        { lane: third, height: 2 }
      ]
    )
    assert.deepEqual(wants, [
      { lane: other, fromHeight: 6, toHeight: 7 },
      { lane: third, fromHeight: 1, toHeight: 2 }
    ])
    assert.deepEqual(
      planWants(
        lane,
        wants.map(({ lane: id, toHeight }) => ({ lane: id, height: toHeight })),
        []
      ),
      []
    )
  })
})
