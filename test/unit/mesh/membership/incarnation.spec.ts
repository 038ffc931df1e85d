import assert from 'node:assert/strict'
import {
  decodeIncarnation,
  encodeIncarnation,
  judgeIncarnation,
  parseIncarnation
} from '../../../../mesh/membership/incarnation.ts'

describe('mesh/membership: incarnations', () => {
  const seen = { generation: 5, bootId: 'a' }

  it('accepts the run it knows and any later one', () => {
    assert.equal(judgeIncarnation(null, seen), 'newer')
    assert.equal(judgeIncarnation(seen, { generation: 6, bootId: 'b' }), 'newer')
    assert.equal(judgeIncarnation(seen, { ...seen }), 'same')
  })

  it('refuses an earlier run, and another one of the same generation (C1)', () => {
    assert.equal(judgeIncarnation(seen, { generation: 4, bootId: 'a' }), 'duplicate')
    assert.equal(judgeIncarnation(seen, { generation: 5, bootId: 'b' }), 'duplicate')
  })

  it('reads only what has its form', () => {
    assert.deepEqual(decodeIncarnation(encodeIncarnation(seen)), { ...seen, claim: null })
    const claim = Uint8Array.of(7)
    assert.deepEqual(decodeIncarnation(encodeIncarnation(seen, claim)), { ...seen, claim })
    const bad = [null, 7, {}, { ...seen, generation: -1 }, { ...seen, generation: 0.5 }]
    for (const value of [...bad, { ...seen, bootId: '' }, { ...seen, bootId: 'x'.repeat(65) }]) {
      assert.equal(parseIncarnation(value), null)
    }
  })
})
