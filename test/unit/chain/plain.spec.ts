// The quick paths beside the general ones: for what is taken by either, both say the same.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isCanonicalCbor, plainEntry } from '../../../chain/canonical.ts'
import { decodeEntry, encodeEntry } from '../../../chain/entry.ts'
import { plainCbor } from '../../../chain/plain-cbor.ts'
import { decodeCbor, encodeCbor } from '../../../core/index.ts'
import type { Cbor } from '../../../core/index.ts'

const values: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((it) => !Object.is(it, -0)),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(fc.string({ maxLength: 30 }), tie('value'), { maxKeys: 30 })
  )
})).value

function decodes(bytes: Uint8Array): boolean {
  try {
    decodeCbor(bytes)
    return true
  } catch {
    return false
  }
}

function map(...pairs: readonly string[]): Uint8Array {
  return Uint8Array.from([0xa0 + pairs.length, ...Buffer.from(pairs.join(''), 'latin1')])
}

describe('chain: quick paths', () => {
  it('the quick encoder makes the bytes of the general one, or none (Z1)', () => {
    let plain = 0
    fc.assert(
      fc.property(values, (value) => {
        const quick = plainCbor(value)
        if (quick === null) return
        plain += 1
        assert.deepEqual(quick, encodeCbor(value))
      }),
      { numRuns: 2000 }
    )
    assert(plain > 300, `only ${plain} were plain`)
  })

  it('the quick check agrees with the decoder on sound bytes and on mutated ones (Y1)', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(255), (value, place, byte) => {
        const bytes = encodeCbor(value)
        assert.equal(isCanonicalCbor(bytes), decodes(bytes))
        const mutated = bytes.slice()
        mutated[place % mutated.length] = byte
        assert.equal(isCanonicalCbor(mutated), decodes(mutated))
        const cut = bytes.subarray(0, place % (bytes.length + 1))
        assert.equal(isCanonicalCbor(cut), decodes(cut))
      }),
      { numRuns: 3000 }
    )
  })

  it('maps with equal, unordered or forbidden keys are refused', () => {
    assert.equal(isCanonicalCbor(map('aa\x01', 'ab\x02')), true)
    for (const pairs of [
      ['aa\x01', 'aa\x02'],
      ['aa\x02', 'aa\x01'],
      ['ab\x01', 'aa\x02'],
      ['baa\x01', 'aa\x02']
    ]) {
      assert.equal(isCanonicalCbor(map(...pairs)), false, pairs.join())
    }
    assert.equal(isCanonicalCbor(map('i__proto__\x01')), false)
  })

  it('an entry of the usual form is read as the general reader reads it, and any other left to it', () => {
    const texts = fc.oneof(fc.string({ minLength: 1, maxLength: 60 }), fc.constant('task:1'))
    const kinds = fc.stringMatching(/^[a-z0-9]{1,8}([.-][a-z0-9]{1,8}){0,3}$/)
    const run = fc.property(
      fc.tuple(kinds, texts, texts),
      fc.tuple(fc.maxSafeNat(), fc.nat(65_535), fc.nat(), fc.nat(255)),
      ([kind, actor, subject], [ms, counter, place, byte]) => {
        const time = { ms, counter }
        const payloadHash = new Uint8Array(32).fill(7)
        const bytes = encodeEntry({ kind, actor, subject, time, payloadHash })
        const mutated = bytes.slice()
        mutated[place % bytes.length] = byte
        for (const each of [bytes, mutated]) {
          const plain = plainEntry(each)
          if (plain === null) continue
          const entry = decodeEntry(each) // Y1: it does not throw.
          assert.deepEqual({ ms: plain.ms, counter: plain.counter }, entry.time)
          assert.deepEqual(each.slice(plain.hashAt, plain.hashAt + 32), entry.payloadHash)
        }
      }
    )
    fc.assert(run, { numRuns: 3000 })
  })
})
