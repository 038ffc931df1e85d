// Goal: docs/errors.md has every error code of the sources, in the section of its room, and no other.
// Method: codes are the quoted words of the form ROOM_WHAT_HAPPENED in the rooms' sources. What has that form
// and is none is named here.

import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The first words of the codes in each section. */
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  core: ['CORE', 'INVARIANT'],
  chain: ['CHAIN'],
  mesh: ['MESH'],
  scheduler: ['SCHEDULER'],
  governance: ['GOVERNANCE'],
  agents: ['AGENTS'],
  'sandbox-wasm': ['SANDBOX', 'TOOL'],
  node: ['NODE', 'PROCESS', 'CONTAINMENT', 'STORE', 'API'],
  cli: ['CLI']
}

const ROOMS = Object.keys(SECTIONS).join(',')

/** Environment variables, and codes of Node’s, of packages and of protocols that are looked for. */
const NO_CODES =
  /^(?:NO_COLOR|WEAVER_.*|ERR_.*|LEVEL_.*|RESERVATION_REFUSED|XDG_.*|CONTAINERS_.*|DBUS_.*)$/

interface Listed {
  readonly code: string
  readonly section: string
  readonly text: string
}

async function codesInSource(): Promise<ReadonlyMap<string, string>> {
  const codes = new Map<string, string>()
  for await (const file of glob(`{${ROOMS}}/**/*.ts`, { cwd: root })) {
    if (file.includes('node_modules')) continue
    const source = await readFile(join(root, file), 'utf8')
    for (const [, code] of source.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g)) {
      if (code !== undefined && !NO_CODES.test(code)) codes.set(code, file)
    }
  }
  return codes
}

async function codesOnPage(): Promise<readonly Listed[]> {
  const page = await readFile(join(root, 'docs/errors.md'), 'utf8')
  let section = ''
  const listed: Listed[] = []
  for (const line of page.split('\n')) {
    section = /^## (.+)$/.exec(line)?.[1] ?? section
    const [, code, text] = /^- `([A-Z0-9_]+)`: (.*)$/.exec(line) ?? []
    if (code !== undefined) listed.push({ code, section, text: text ?? '' })
  }
  return listed
}

describe('docs/errors.md', () => {
  it('lists every code that the sources have', async () => {
    const codes = await codesInSource()
    assert(codes.size > 150, 'the sources were read')
    const listed = new Set((await codesOnPage()).map(({ code }) => code))
    const absent = [...codes].filter(([code]) => !listed.has(code))
    assert.deepEqual(absent, [], 'codes in the sources that are not on the page')
  })

  it('lists no code that the sources do not have', async () => {
    const codes = await codesInSource()
    const stale = (await codesOnPage()).map(({ code }) => code).filter((code) => !codes.has(code))
    assert.deepEqual(stale, [], 'codes on the page that are not in the sources')
  })

  it('lists each code once, in the section of its room, with what to do', async () => {
    const seen = new Set<string>()
    for (const { code, section, text } of await codesOnPage()) {
      assert(!seen.has(code), `${code} is listed twice`)
      seen.add(code)
      assert(
        SECTIONS[section]?.includes(code.split('_')[0] ?? ''),
        `${code} stands under ${section}`
      )
      assert.match(text, /^.+[.:] .*\S\.$/, `${code} has what happened and what to do`)
    }
  })
})
