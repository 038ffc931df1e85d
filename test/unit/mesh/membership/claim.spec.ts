import assert from 'node:assert/strict'
import { meshId } from '../../../../core/index.ts'
import { isProofOfCopy, readClaim, signClaim } from '../../../../mesh/membership/claim.ts'
import { testSigner } from '../lab.ts'

const mesh = meshId('ab'.repeat(32))
const signer = testSigner('laptop')
const nonce = new Uint8Array(16).fill(9)
const own = { generation: 7, bootId: 'mine' }

function isBelieved(bytes: unknown): boolean {
  const claim = readClaim(bytes, mesh, signer.nodeId)
  return claim !== null && isProofOfCopy(claim, own, nonce)
}

describe('mesh/membership: proof of a copied home', () => {
  it('is another run of no lower generation, signed with our key', () => {
    assert.equal(isBelieved(signClaim(signer, mesh, { generation: 8, bootId: 'other' })), true)
    assert.equal(isBelieved(signClaim(signer, mesh, { generation: 7, bootId: 'other' })), true)
  })

  it('is any other run that signs what we have just drawn', () => {
    const before = { generation: 6, bootId: 'before' }
    assert.equal(isBelieved(signClaim(signer, mesh, before, nonce)), true)
    assert.equal(isBelieved(signClaim(signer, mesh, before)), false, 'our own run of before')
    assert.equal(
      isBelieved(
        signClaim(
          signer,
          mesh,
          before,
          nonce.map((byte) => byte + 1)
        )
      ),
      false
    )
  })

  it('is never our own word, another’s, of another mesh, or bytes', () => {
    assert.equal(isBelieved(signClaim(signer, mesh, own, nonce)), false)
    const liar = testSigner('liar')
    assert.equal(isBelieved(signClaim(liar, mesh, { generation: 9, bootId: 'x' }, nonce)), false)
    const elsewhere = meshId('cd'.repeat(32))
    assert.equal(isBelieved(signClaim(signer, elsewhere, { generation: 9, bootId: 'x' })), false)
    const good = signClaim(signer, mesh, { generation: 9, bootId: 'x' })
    const bad = good.slice()
    bad[good.length - 1] = (bad[good.length - 1] ?? 0) ^ 1
    for (const bytes of [null, undefined, 'x', new Uint8Array(), new Uint8Array(600), bad]) {
      assert.equal(isBelieved(bytes), false)
    }
  })
})
