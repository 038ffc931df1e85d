import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../../core/index.ts'
import { cached, discard, store } from '../../../sandbox-wasm/transpile-cache.ts'

const SHA256 = 'ab'.repeat(32)

function translation(text: string): Parameters<typeof store>[2] {
  return { imports: ['a:b/c'], exports: ['call'], files: [{ name: 'tool.js', bytes: utf8(text) }] }
}

describe('transpile cache', () => {
  let home: string
  let folder: string
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'weft-cache-'))
    folder = join(home, 'made', 'when', 'needed')
  })
  afterEach(() => rm(home, { recursive: true }))

  it('gives back what was stored, and only for that component', async () => {
    const stored = await store(folder, SHA256, translation('x'))
    assert.deepEqual(await cached(folder, SHA256), stored)
    assert.equal(await cached(folder, 'cd'.repeat(32)), null)
    assert.equal(await readFile(join(stored.folder, 'tool.js'), 'utf8'), 'x')
    assert.equal((await stat(stored.folder)).mode & 0o777, 0o700)
  })

  it('replaces an entry, and forgets one that is discarded', async () => {
    await store(folder, SHA256, translation('x'))
    const stored = await store(folder, SHA256, translation('y'))
    assert.equal(await readFile(join(stored.folder, 'tool.js'), 'utf8'), 'y')
    await discard(folder, SHA256)
    assert.equal(await cached(folder, SHA256), null)
  })

  it('takes an entry that is torn or damaged for none (T1)', async () => {
    const stored = await store(folder, SHA256, translation('x'))
    for (const text of ['', '{"format":"another"}', '[]']) {
      await writeFile(join(stored.folder, 'index.json'), text)
      assert.equal(await cached(folder, SHA256), null)
    }
  })

  it('is not disturbed by what a crash left half written', async () => {
    await mkdir(join(folder, 'staging'), { recursive: true })
    await writeFile(join(folder, 'staging', 'left.wasm'), 'over')
    const stored = await store(folder, SHA256, translation('x'))
    await assert.rejects(stat(join(stored.folder, 'left.wasm')))
  })
})
