import assert from 'node:assert/strict'
import { decodeCbor, encodeCbor, meshId, unixMillis } from '../../../core/index.ts'
import {
  driftFrom,
  isNewer,
  lockedSet,
  readMeshPolicy,
  signMeshPolicy,
  writeLock
} from '../../../governance/index.ts'
import { signerFromSeed } from '../../../core/index.ts'

const signer = signerFromSeed(new Uint8Array(32).fill(1))
const other = signerFromSeed(new Uint8Array(32).fill(2))
const mesh = meshId('ab'.repeat(32))
const said = { mesh, version: 3, madeAt: unixMillis(1_800_000_000_000), text: '// nothing' }

describe('governance/mesh-policy', () => {
  it('what was signed is read, by anybody who has the bytes', () => {
    const signed = signMeshPolicy(signer, said)
    assert.deepEqual(readMeshPolicy(signed.bytes, mesh), signed)
    assert.equal(signed.by, signer.nodeId)
  })

  it('no changed byte is read, nor what is for another mesh (M2)', () => {
    const { bytes } = signMeshPolicy(signer, said)
    for (let place = 0; place < bytes.length; place += 1) {
      const changed = bytes.slice()
      changed[place] = (changed[place] ?? 0) ^ 1
      assert.throws(() => readMeshPolicy(changed, mesh), { code: 'GOVERNANCE_POLICY_INVALID' })
    }
    assert.throws(() => readMeshPolicy(bytes, meshId('cd'.repeat(32))), /another mesh/)
  })

  it("another's signature under one's name is refused", () => {
    const { signed } = decodeCbor(signMeshPolicy(signer, said).bytes) as { signed: Uint8Array }
    const signature = other.sign('weft/mesh-policy/1', signed)
    assert.throws(() => readMeshPolicy(encodeCbor({ v: 1, signed, signature }), mesh), /signature/)
  })

  it('of two the same one is newer everywhere, and none is newer than itself (M1)', () => {
    const one = signMeshPolicy(signer, said)
    const later = signMeshPolicy(signer, { ...said, version: 4 })
    const rival = signMeshPolicy(other, said)
    assert.ok(isNewer(later, one) && !isNewer(one, later) && !isNewer(one, one))
    assert.notEqual(isNewer(one, rival), isNewer(rival, one))
    assert.ok(isNewer(one, null))
  })
})

describe('governance/policy-lock', () => {
  const sources = [{ name: 'home/a.cedar', text: 'one', isBuiltIn: false }]
  const now = lockedSet('schema', sources, [])

  it('fits what it was made of, and names each thing that does not', () => {
    const lock = writeLock(signer, now, 5)
    assert.deepEqual(driftFrom(lock, signer.nodeId, now), [])
    const changed = lockedSet('schema', [{ ...sources[0], text: 'two' } as never], [])
    assert.deepEqual(driftFrom(lock, signer.nodeId, changed), ['home/a.cedar has changed'])
    const renamed = lockedSet('schema', [{ ...sources[0], name: 'home/b.cedar' } as never], [])
    assert.deepEqual(driftFrom(lock, signer.nodeId, renamed), [
      'home/b.cedar is new',
      'home/a.cedar is gone'
    ])
    assert.deepEqual(driftFrom(lock, signer.nodeId, { ...now, rules: '00'.repeat(32) }), [
      'the rules made of them have changed'
    ])
  })

  it('says nothing when it is not this node’s, was changed, or is no lock', () => {
    const lock = writeLock(signer, now, 5)
    assert.deepEqual(driftFrom(lock, other.nodeId, now), ['the lock is of another node'])
    const forged = lock.replace('"madeAt": 5', '"madeAt": 6')
    assert.deepEqual(driftFrom(forged, signer.nodeId, now), ["the lock's signature is wrong"])
    for (const text of ['', '{}', 'null', '[]', lock.replace('"v": 1', '"v": 2')]) {
      assert.deepEqual(driftFrom(text, signer.nodeId, now), ['the lock file is no lock'])
    }
  })
})
