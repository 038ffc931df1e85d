import assert from 'node:assert/strict'
import { utf8 } from '../../../core/index.ts'
import { systemEntropy as entropy } from '../../../core/system.ts'
import { nextIncarnation } from '../../../node/incarnation.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'

describe('node/incarnation', () => {
  it('counts the starts of a home, and gives each a name of its own', async () => {
    const store = new MemoryStore()
    const starts = []
    for (let count = 0; count < 3; count += 1)
      starts.push(await nextIncarnation({ store, entropy }))
    assert.deepEqual(
      starts.map(({ generation }) => generation),
      [1, 2, 3]
    )
    assert.equal(new Set(starts.map(({ bootId }) => bootId)).size, 3)
  })

  it('is none that is not on the disk, and none after a number that is none', async () => {
    const store = new MemoryStore()
    store.failNextWrite(new Error('full'))
    await assert.rejects(nextIncarnation({ store, entropy }), /full/)
    assert.equal((await nextIncarnation({ store, entropy })).generation, 1)
    await store.write([{ key: 'node/generation', value: utf8('many') }])
    await assert.rejects(nextIncarnation({ store, entropy }), { code: 'STORE_FAILED' })
  })
})
