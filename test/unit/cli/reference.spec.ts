// Goal: docs/cli.md is what the command itself says.
// Method: the page's reference is made anew from the table of commands and compared.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { CLI_PAGE, cliPage } from '../../../scripts/docs-cli.ts'

describe('docs/cli.md', () => {
  it('is what the command itself says', async () => {
    const page = await readFile(CLI_PAGE, 'utf8')
    assert.equal(page, await cliPage(page), 'npm run docs writes the page anew')
  })
})
