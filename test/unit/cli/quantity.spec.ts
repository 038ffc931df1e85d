import assert from 'node:assert/strict'
import { durationText, gpusText, sizeText, ageText } from '../../../cli/quantity.ts'
import { formatBytes, formatDuration } from '../../../core/index.ts'

describe('quantities in tables', () => {
  it('are written as core writes them', () => {
    const values = [0, 1, 9, 999, 999.5, 1000, 1500, 9949, 9951, 119_999, 120_000, 999_500, 7.2e6]
    for (const value of [...values, 172_800_000, 24e9, 1.4e12, 5e15]) {
      assert.equal(sizeText(value), formatBytes(value))
      assert.equal(durationText(value), formatDuration(value))
    }
  })

  it('never show an age below a second, nor one of the future', () => {
    assert.equal(ageText(1000, 1001), '1s')
    assert.equal(ageText(2000, 1000), '1s')
    assert.equal(ageText(null, 1000), '-')
  })

  it('say which GPU was declared by hand', () => {
    const gpu = { vendor: 'nvidia', model: 'H200', memoryBytes: 24e9, declared: true }
    assert.equal(gpusText([gpu]), 'nvidia H200 24 GB (declared)')
    const bare = { ...gpu, vendor: 'unknown', model: 'declared' }
    assert.equal(gpusText([bare]), '24 GB (declared)')
    assert.equal(gpusText([]), '-')
  })
})
