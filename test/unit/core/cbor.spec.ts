import assert from 'node:assert/strict'
import { encode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { decodeCbor, encodeCbor, fromHex, toHex } from '../../../core/index.ts'

const fromVector = (hex: string): Uint8Array => {
  const bytes = fromHex(hex)
  assert(bytes !== null)
  return bytes
}

describe('core/cbor', () => {
  it('encodeCbor() makes the deterministic encodings of RFC 8949', () => {
    assert.equal(toHex(encodeCbor(0)), '00')
    assert.equal(toHex(encodeCbor(1_000_000_000_000)), '1b000000e8d4a51000')
    assert.equal(toHex(encodeCbor(-1000)), '3903e7')
    assert.equal(toHex(encodeCbor('ü')), '62c3bc')
    assert.equal(toHex(encodeCbor({ b: [2, 3], a: 1 })), 'a26161016162820203')
    assert.equal(toHex(encodeCbor({ aa: 2, b: 1 })), 'a261620162616102')
  })

  const refused: Record<string, string> = {
    'an integer that is not the shortest': '1800',
    'a map with keys out of order': 'a2616202616101',
    'a map with a key twice': 'a2616101616102',
    'an indefinite length': '9f01ff',
    'a length past the end': '5affffffff00',
    'bytes after the value': '0000',
    nothing: '',
    undefined: 'f7',
    NaN: 'f97e00',
    'a __proto__ key': 'a1695f5f70726f746f5f5f01',
    'a value in 65 arrays': `${'81'.repeat(65)}00`,
    'more of them than the stack holds': `${'81'.repeat(2500)}00`,
    'far more of them': `${'81'.repeat(100_000)}00`
  }
  for (const [what, hex] of Object.entries(refused)) {
    it(`decodeCbor() refuses ${what}`, () => {
      assert.throws(() => decodeCbor(fromVector(hex)), { code: 'CORE_INVALID_CBOR' })
    })
  }

  it('encodeCbor() refuses undefined, also deep inside', () => {
    const value = { a: [undefined] } as never
    assert.throws(() => encodeCbor(value), { code: 'CORE_INVALID_CBOR' })
  })

  it('decodeCbor() takes a value in 64 arrays', () => {
    assert.ok(Array.isArray(decodeCbor(fromVector(`${'81'.repeat(64)}00`))))
  })

  it('decodeCbor() gives back what encodeCbor() took', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.string(),
        fc.uint8Array(),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie('value'), {
          maxKeys: 5,
          noNullPrototype: true
        })
      )
    }))
    fc.assert(
      fc.property(value, (input) => {
        assert.deepEqual(decodeCbor(encodeCbor(input as never)), input)
      })
    )
  })

  it('encodeCbor() makes the bytes of cborg, whatever the value (E1)', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({ maxLength: 300 }),
      // Halves of pairs, alone.
      fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 40 })
    )
    const integer = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -70_000, max: 70_000 }))
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(null, true, false, -0, 0.5, -1.1, 2 ** 53, 2 ** 60, -(2 ** 32), 2 ** 32),
        integer,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
        text,
        fc.uint8Array({ maxLength: 300 }),
        fc.array(tie('value'), { maxLength: 30 }),
        fc.dictionary(text, tie('value'), { maxKeys: 30 })
      )
    }))
    fc.assert(
      fc.property(value, (input) => {
        assert.equal(toHex(encodeCbor(input as never)), toHex(encode(input, rfc8949EncodeOptions)))
      }),
      { numRuns: 1000 }
    )
  })

  it('encodeCbor() makes room for what is large, and keeps no more of it than it must', () => {
    const large = { a: new Uint8Array(3_000_000).fill(7), b: 'x'.repeat(100_000), c: [1, 2, 3] }
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(encodeCbor(large), new Uint8Array(encode(large, rfc8949EncodeOptions)))
      assert.equal(toHex(encodeCbor({ b: 1 })), 'a1616201')
    }
  })

  it('encodeCbor() refuses a value that contains itself', () => {
    const loop: unknown[] = []
    loop.push(loop)
    assert.throws(() => encodeCbor(loop as never))
  })

  it('decodeCbor() throws nothing but CORE_INVALID_CBOR, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          assert.deepEqual(encodeCbor(decodeCbor(bytes) as never), bytes)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'CORE_INVALID_CBOR')
        }
      })
    )
  })
})
