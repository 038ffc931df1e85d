// What every KeyValueStore must do. To be called inside a `describe`.

import assert from 'node:assert/strict'
import { utf8 } from '../../core/index.ts'
import type { KeyValueStore, StoreWrite } from '../../core/index.ts'

const put = (key: string, text: string): StoreWrite => ({ key, value: utf8(text) })

export function itIsAKeyValueStore(open: () => Promise<KeyValueStore>): void {
  describe('as a KeyValueStore', () => describeStore(open))
}

function describeStore(open: () => Promise<KeyValueStore>): void {
  let store: KeyValueStore

  beforeEach(async () => {
    store = await open()
  })

  it('gives back what was written, and null for what was not', async () => {
    await store.write([put('a', 'one'), { key: 'empty', value: new Uint8Array(0) }])
    assert.deepEqual(await store.get('a'), utf8('one'))
    assert.deepEqual(await store.get('empty'), new Uint8Array(0))
    assert.equal(await store.get('b'), null)
  })

  it('overwrites and deletes, the last write of a batch winning', async () => {
    await store.write([put('a', 'one'), put('b', 'two')])
    await store.write([put('a', 'three'), { key: 'b', value: null }, { key: 'c', value: null }])
    assert.deepEqual(await store.get('a'), utf8('three'))
    assert.equal(await store.get('b'), null)
    await store.write([put('d', 'four'), { key: 'd', value: null }, put('d', 'five')])
    assert.deepEqual(await store.get('d'), utf8('five'))
    await store.write([])
  })

  it('applies overlapping writes of one key in the order of the calls', async () => {
    const writes = Array.from({ length: 50 }, (_, index) => store.write([put('a', String(index))]))
    await Promise.all(writes)
    assert.deepEqual(await store.get('a'), utf8('49'))
  })

  it('keeps bytes of its own: neither side sees later changes of the other', async () => {
    const bytes = utf8('one')
    const writing = store.write([{ key: 'a', value: bytes }])
    bytes.fill(0)
    await writing
    const read = await store.get('a')
    assert.deepEqual(read, utf8('one'))
    read?.fill(0)
    assert.deepEqual(await store.get('a'), utf8('one'))
  })

  it('lists a prefix in the byte order of the keys, and nothing beyond it', async () => {
    const keys = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'a/\u{1f600}', 'a/\uffff', 'a0', 'b']
    await store.write(keys.map((key) => put(key, key)))
    const listed = await store.list('a/')
    assert.deepEqual(
      listed.map(([key]) => key),
      ['a/', 'a/1', 'a/10', 'a/2', 'a/\uffff', 'a/\u{1f600}']
    )
    assert.deepEqual(listed[1]?.[1], utf8('a/1'))
    assert.equal((await store.list('')).length, keys.length)
    assert.deepEqual(await store.list('c'), [])
  })

  it('lists more than a page', async () => {
    const writes = Array.from({ length: 2500 }, (_, index) => put(`k/${index}`, 'x'))
    await store.write(writes)
    assert.equal((await store.list('k/')).length, 2500)
  })
}
