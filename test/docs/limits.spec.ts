// Goal: docs/limits.md is what the rooms' limits.ts say, and every limit has a reason.
// Method: the page is made anew from the sources, and compared.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { LIMITS_PAGE, limitsOf, limitsPage } from '../../scripts/docs-limits.ts'

describe('docs/limits.md', () => {
  it('is what the rooms say themselves', async () => {
    const page = await readFile(LIMITS_PAGE, 'utf8')
    assert.equal(page, await limitsPage(), 'npm run docs writes the page anew')
  })

  it('has each limit with its value, and the formula where it was calculated', async () => {
    const limits = new Map((await limitsOf('mesh/limits.ts')).map((limit) => [limit.name, limit]))
    const statements = limits.get('STATEMENTS_MAX')
    assert.deepEqual([statements?.value, statements?.formula], [4096, '4 * MEMBERS_MAX'])
    const hello = limits.get('HELLO_TIMEOUT_MS')
    assert.deepEqual([hello?.value, hello?.formula], [5000, ''])
    assert((hello?.reason.length ?? 0) > 10)
  })
})
