import assert from 'node:assert/strict'
import { addTallies, summaryLine, tallyOf } from '../../../scripts/tally.ts'

const SUMMARY = '\n\n  12 passing (3s)\n  2 pending\n  1 failing\n\n  1) a test:\n'

describe('the tally of a test run', () => {
  it("reads mocha's summary", () => {
    assert.deepEqual(tallyOf(SUMMARY), { passed: 12, failed: 1, skipped: 2 })
    assert.deepEqual(tallyOf('\n  7 passing (12ms)\n\n'), { passed: 7, failed: 0, skipped: 0 })
  })

  it('takes the last summary, so that a test that prints one changes nothing', () => {
    assert.deepEqual(tallyOf(`  99 passing (1s)\n${SUMMARY}`)?.passed, 12)
  })

  it('knows no count where no summary was printed', () => {
    assert.equal(tallyOf('Error: No test files found\n'), null)
  })

  it('closes with the plain line, and names skipped tests only where there are some', () => {
    const total = addTallies(
      { passed: 1, failed: 0, skipped: 0 },
      { passed: 2, failed: 1, skipped: 0 }
    )
    assert.equal(summaryLine(total), '3 passed, 1 failed')
    assert.equal(summaryLine({ passed: 1, failed: 0, skipped: 2 }), '1 passed, 0 failed, 2 skipped')
  })
})
