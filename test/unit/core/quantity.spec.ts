import assert from 'node:assert/strict'
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../../core/index.ts'

describe('core/quantity', () => {
  it('reads durations and sizes as people write them', () => {
    assert.equal(parseDuration('90s'), 90_000)
    assert.equal(parseDuration('1.5h'), 5_400_000)
    assert.equal(parseDuration('250ms'), 250)
    assert.equal(parseBytes('24GB'), 24e9)
    assert.equal(parseBytes('8GiB'), 8 * 1024 ** 3)
    assert.equal(parseBytes('0B'), 0)
  })

  for (const text of [
    '',
    '10',
    's',
    '-1s',
    '1 s',
    '1e3s',
    '10x',
    '9'.repeat(30) + 'h',
    '1constructor'
  ]) {
    it(`refuses '${text}' as a duration and as a size`, () => {
      assert.throws(() => parseDuration(text), { code: 'CORE_INVALID_DURATION' })
      assert.throws(() => parseBytes(text), { code: 'CORE_INVALID_SIZE' })
    })
  }

  it('prints sizes and ages in one short unit', () => {
    assert.deepEqual([0, 999, 1000, 1449, 15e6, 24e9].map(formatBytes), [
      '0 B',
      '999 B',
      '1.0 kB',
      '1.4 kB',
      '15 MB',
      '24 GB'
    ])
    assert.deepEqual([5, 1500, 130_000, 8e6, 3e8].map(formatDuration), [
      '5ms',
      '1s',
      '2m',
      '2h',
      '3d'
    ])
  })
})
