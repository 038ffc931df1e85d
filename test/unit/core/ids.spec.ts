import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  checkedName,
  epoch,
  fromHex,
  meshId,
  millis,
  newTaskId,
  nodeId,
  nodeIdOf,
  pid,
  publicKeyOf,
  taskId
} from '../../../core/index.ts'

describe('core/ids', () => {
  it('nodeIdOf() and publicKeyOf() are each other’s inverse for every key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        assert.deepEqual(publicKeyOf(nodeIdOf(key)), key)
      })
    )
  })

  it('nodeIdOf() agrees with the Ed25519 test vector of the libp2p peer id specification', () => {
    const key = fromHex('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e')
    assert(key !== null)
    assert.equal(nodeIdOf(key), '12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq')
  })

  for (const text of ['', 'laptop', '12D3KooW', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N']) {
    it(`nodeId() refuses '${text}'`, () => {
      assert.throws(() => nodeId(text), { code: 'CORE_INVALID_NODE_ID' })
    })
  }

  it('newTaskId() makes ids that taskId() accepts', () => {
    let next = 0
    const id = newTaskId({ bytes: (size) => Uint8Array.from({ length: size }, () => next++) })
    assert.equal(taskId(id), '0123456789abcdef')
    assert.throws(() => taskId('0123456789ABCDEF'), { code: 'CORE_INVALID_TASK_ID' })
    assert.throws(() => taskId('short'), { code: 'CORE_INVALID_TASK_ID' })
  })

  it('checkedName() keeps names that fit in a host name, and refuses paths and spaces', () => {
    assert.equal(checkedName('gpu-box.2'), 'gpu-box.2')
    for (const bad of ['', '-a', 'a-', 'a b', '../x', 'A', 'x'.repeat(64)]) {
      assert.throws(() => checkedName(bad), { code: 'CORE_INVALID_NAME' })
    }
  })

  it('numbers are refused outside their range', () => {
    assert.throws(() => pid(0), { code: 'CORE_INVALID_PID' })
    assert.throws(() => pid(1.5), { code: 'CORE_INVALID_PID' })
    assert.throws(() => epoch(0), { code: 'CORE_INVALID_EPOCH' })
    assert.throws(() => millis(-1), { code: 'CORE_INVALID_MILLIS' })
    assert.throws(() => millis(Number.NaN), { code: 'CORE_INVALID_MILLIS' })
    assert.throws(() => meshId('zz'), { code: 'CORE_INVALID_MESH_ID' })
  })
})
