// Goal: docs/faults.md names a test for each fault and each attack class, and the test says that it is one.
// Method: the rows of its tables are read; the files are looked for, and in them the id of the fault.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './pages.ts'

interface Row {
  readonly id: string
  readonly files: readonly string[]
  /** It says that there is no test, and what that means. */
  readonly isOpen: boolean
}

function rows(): readonly Row[] {
  const page = readFileSync(join(ROOT, 'docs/faults.md'), 'utf8')
  const found = page.matchAll(/^\| (R?\d+) +\|[^|]*\|([^|]*)\|([^|]*)\|/gm)
  return [...found].map(([, id = '', tests = '', rest = '']) => ({
    id,
    files: [...tests.matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file),
    isOpen: tests.trim() === 'none' && rest.trim() !== ''
  }))
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

describe('docs/faults.md', () => {
  it('has a row with tests that exist for each fault and each class of attacks', () => {
    const wanted = [
      ...Array.from({ length: 16 }, (_, index) => `R${index}`),
      ...Array.from({ length: 26 }, (_, index) => `${index + 1}`)
    ]
    assert.deepEqual(
      rows().map(({ id }) => id),
      wanted
    )
    for (const { id, files, isOpen } of rows()) {
      assert(files.length > 0 || isOpen, `${id} has no test`)
      assert.deepEqual(
        files.filter((file) => !existsSync(join(ROOT, file))),
        [],
        id
      )
    }
  })

  it('names for each fault a test whose title names it', () => {
    const silent = rows().filter(({ id, files }) => {
      const title = new RegExp(`(?:it|describe)\\([^\\n]*(?:\\n[^\\n]*)?\\b${id}\\b`)
      return id.startsWith('R') && !files.some((file) => title.test(textOf(file)))
    })
    assert.deepEqual(
      silent.map(({ id }) => id),
      []
    )
  })

  it('names for each class of attacks a test that says that it is one', () => {
    const silent = rows().filter(({ id, files, isOpen }) => {
      const said = new RegExp(
        `(?:attacks?|class(?:es)?)\\b[^\\n]*\\b${id}\\b|\\(${id}[,)]|'${id}[:,]`
      )
      return !isOpen && !id.startsWith('R') && !files.some((file) => said.test(textOf(file)))
    })
    assert.deepEqual(
      silent.map(({ id }) => id),
      []
    )
  })
})
