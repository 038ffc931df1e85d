import assert from 'node:assert/strict'
import { steadyLoad } from '../../../node/pulse.ts'

const told = { cpuLoad: 0.2, memoryFreeBytes: 1_000_000_000 }

describe('steadyLoad', () => {
  it('says what was said last while the machine stays about there', () => {
    const now = { cpuLoad: 0.25, memoryFreeBytes: 1_010_000_000 }
    assert.equal(steadyLoad(told, now), told)
  })

  it('says the load of now when it has moved, and at first', () => {
    const busier = { ...told, cpuLoad: 0.4 }
    const fuller = { ...told, memoryFreeBytes: 900_000_000 }
    assert.equal(steadyLoad(told, busier), busier)
    assert.equal(steadyLoad(told, fuller), fuller)
    assert.equal(steadyLoad(null, busier), busier)
  })
})
