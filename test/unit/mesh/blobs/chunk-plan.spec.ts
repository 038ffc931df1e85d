import assert from 'node:assert/strict'
import { ChunkPlan } from '../../../../mesh/blobs/chunk-plan.ts'
import { testSigner } from '../lab.ts'

const [one, two, three] = ['one', 'two', 'three'].map((name) => testSigner(name).nodeId) as [
  ReturnType<typeof testSigner>['nodeId'],
  ReturnType<typeof testSigner>['nodeId'],
  ReturnType<typeof testSigner>['nodeId']
]

describe('chunk plan', () => {
  it('gives each chunk to one source, in order, and skips what is done', () => {
    const plan = new ChunkPlan(Uint8Array.of(0, 1, 0, 0))
    assert.equal(plan.left, 3)
    assert.deepEqual([plan.take(one), plan.take(two), plan.take(one)], [0, 2, 3])
  })

  it('asks a second source only when every chunk is asked of somebody, and never a third (P2)', () => {
    const plan = new ChunkPlan(new Uint8Array(2))
    assert.deepEqual([plan.take(one), plan.take(one)], [0, 1])
    assert.equal(plan.take(one), null)
    assert.deepEqual([plan.take(two), plan.take(two)], [0, 1])
    assert.equal(plan.take(three), null)
  })

  it('counts a chunk once, whoever brought it (P1)', () => {
    const plan = new ChunkPlan(new Uint8Array(1))
    plan.take(one)
    plan.take(two)
    assert.equal(plan.finish(0), true)
    assert.equal(plan.finish(0), false)
    assert.equal(plan.left, 0)
    assert.equal(plan.take(three), null)
  })

  it('asks nobody again for what it lacks, but others at once, and itself once it was dropped (P4)', () => {
    const plan = new ChunkPlan(new Uint8Array(3))
    assert.deepEqual([plan.take(one), plan.take(one), plan.take(one)], [0, 1, 2])
    plan.lack(one, 1)
    plan.lack(one, 2)
    assert.equal(plan.take(one), null)
    assert.deepEqual([plan.take(two), plan.take(two)], [1, 2])
    assert.equal(plan.take(one), null, 'not as a second source either')
    plan.lack(two, 1)
    plan.drop(one)
    assert.equal(plan.take(one), 0)
    assert.equal(plan.take(one), 1)
  })

  it('gives what a lost source was asked for to others first (P3)', () => {
    const plan = new ChunkPlan(new Uint8Array(5))
    plan.take(one)
    plan.take(two)
    plan.take(one)
    plan.drop(one)
    assert.deepEqual([plan.take(two), plan.take(two), plan.take(two), plan.take(two)], [0, 2, 3, 4])
  })
})
