// Goal: no page links to a page, file or heading that is not there.
// Method: relative links of all pages are resolved; headings become anchors as the usual hosts make them.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { allPages, ROOT } from './pages.ts'
import type { Page } from './pages.ts'

function withoutCode(text: string): string {
  return text.replaceAll(/^\s*```[\s\S]*?^\s*```/gm, '').replaceAll(/`[^`\n]*`/g, '')
}

function anchorsOf(page: Page | undefined): ReadonlySet<string> {
  const text = page?.text.replaceAll(/^\s*```[\s\S]*?^\s*```/gm, '') ?? ''
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  )
  return new Set(anchors)
}

describe('the links of the pages', () => {
  it('lead to files and headings that exist', async () => {
    const pages = await allPages()
    const byPath = new Map(pages.map((page) => [page.path, page]))
    const broken: string[] = []
    let checked = 0
    for (const { path, text } of pages) {
      for (const [, target = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue
        checked += 1
        const [file = '', anchor] = target.split('#')
        const to = file === '' ? path : normalize(join(dirname(path), file))
        const isThere = existsSync(join(ROOT, to))
        const isHeading = anchor === undefined || anchorsOf(byPath.get(to)).has(anchor)
        if (!isThere || !isHeading) broken.push(`${path}: ${target}`)
      }
    }
    assert(checked > 30, `${checked} links were found`)
    assert.deepEqual(broken, [])
  })
})
