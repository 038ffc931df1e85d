import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../../../core/index.ts'
import { LevelStore } from '../../../../node/level-store.ts'
import { itIsAKeyValueStore } from '../../../conformance/key-value-store.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'

describe('MemoryStore', () => {
  itIsAKeyValueStore(() => Promise.resolve(new MemoryStore()))

  it('fails a write when told to, once', async () => {
    const store = new MemoryStore()
    store.failNextWrite(new Error('full'))
    await assert.rejects(store.write([{ key: 'a', value: utf8('1') }]), /full/)
    assert.equal(await store.get('a'), null)
    await store.write([{ key: 'a', value: utf8('1') }])
  })
})

describe('LevelStore', () => {
  let directory: string
  let opened: LevelStore[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-store-'))
    opened = []
  })

  afterEach(async () => {
    for (const store of opened) await store.close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function open(): Promise<LevelStore> {
    const store = await LevelStore.open(join(directory, 'store'))
    opened.push(store)
    return store
  }

  itIsAKeyValueStore(open)

  it('is there again after it was closed, and may be closed twice', async () => {
    const first = await open()
    await first.write([{ key: 'a', value: utf8('1') }])
    await first.close()
    await first.close()
    assert.deepEqual(await (await open()).get('a'), utf8('1'))
  })

  it('finishes the writes that are under way when it is closed (D2)', async () => {
    const first = await open()
    const writes = Array.from({ length: 20 }, (_, index) =>
      first.write([{ key: `k${index}`, value: utf8('1') }])
    )
    await first.close()
    await Promise.all(writes)
    assert.equal((await (await open()).list('k')).length, 20)
  })

  it('refuses a second opening (D3)', async () => {
    await open()
    await assert.rejects(open(), { code: 'STORE_LOCKED', retry: 'later' })
  })

  it('says STORE_FAILED when it is closed, or where nothing can be made', async () => {
    const store = await open()
    await store.close()
    await assert.rejects(store.get('a'), { code: 'STORE_FAILED' })
    await assert.rejects(store.list('a'), { code: 'STORE_FAILED' })
    await assert.rejects(store.write([{ key: 'a', value: null }]), { code: 'STORE_FAILED' })
    writeFileSync(join(directory, 'file'), '')
    const below = join(directory, 'file', 'store')
    await assert.rejects(LevelStore.open(below), { code: 'STORE_FAILED' })
  })
})
