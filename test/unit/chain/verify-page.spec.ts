import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { nodePrimitives, verifyFile } from '../../../chain/offline/index.ts'
import { verifyPage } from '../../../scripts/build-verify-page.ts'
import { noblePrimitives } from '../../../scripts/verify-page/primitives.ts'

const VECTORS = resolve(import.meta.dirname, '../../vectors/chain')
const PAGE = resolve(import.meta.dirname, '../../../docs/verify.html')

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describe('chain: the page that verifies in a browser', () => {
  it('is what its sources make: after a change run npm run build:verify-page', async () => {
    assert.equal(await readFile(PAGE, 'utf8'), await verifyPage())
  }).timeout(30_000)

  it('holds all it needs, and its policy allows no connection', async () => {
    const page = await readFile(PAGE, 'utf8')
    assert.match(page, /content="default-src 'none'; script-src 'sha256-[A-Za-z0-9+/]{43}='/)
    assert.doesNotMatch(page, /<(?:script|link|img|iframe)[^>]+(?:src|href)=/)
  })

  it('judges every vector through @noble/* as through node:crypto', async () => {
    const names = (await readdir(VECTORS)).filter((name) => /^(?:sound|broken)-/.test(name))
    assert(names.length >= 2)
    for (const name of names) {
      const bytes = await readFile(join(VECTORS, name))
      const report = await verifyFile(noblePrimitives, one(bytes))
      assert.deepEqual(report, await verifyFile(nodePrimitives, one(bytes)), name)
      assert.equal(report.ok, name.startsWith('sound-'), name)
    }
  }).timeout(30_000)
})
