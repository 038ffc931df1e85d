import assert from 'node:assert/strict'
import fc from 'fast-check'
import { shake256 as nobleShake256 } from '@noble/hashes/sha3.js'
import {
  concatBytes,
  fromHex,
  isSignedBy,
  shake256,
  signerFromSeed,
  toHex,
  utf8
} from '../../../core/index.ts'

const seed = new Uint8Array(32).fill(7)

describe('core/hash', () => {
  it('shake256() is SHAKE-256 of the framed domain and the parts, as an independent library has it', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 30 }),
        fc.uint8Array(),
        fc.uint8Array(),
        (domain, a, b) => {
          const name = utf8(domain)
          const whole = concatBytes(Uint8Array.of(name.length), name, a, b)
          assert.deepEqual(shake256(domain, a, b), nobleShake256(whole, { dkLen: 32 }))
        }
      )
    )
  })

  it('shake256() separates domains', () => {
    assert.notDeepEqual(shake256('a', utf8('b')), shake256('ab'))
  })
})

describe('core/signing', () => {
  it('the key of RFC 8032 test 1 has the public key printed there', () => {
    const secret = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
    assert(secret !== null)
    const { nodeId } = signerFromSeed(secret)
    assert.equal(nodeId, signerFromSeed(secret).nodeId)
    assert.match(nodeId, /^12D3KooW/)
  })

  it('isSignedBy() accepts the signer’s signature for that domain and those bytes alone', () => {
    const signer = signerFromSeed(seed)
    const other = signerFromSeed(new Uint8Array(32).fill(8))
    const bytes = utf8('spawn')
    const signature = signer.sign('weft/test/1', bytes)
    assert(isSignedBy(signer.nodeId, 'weft/test/1', bytes, signature))
    assert(!isSignedBy(other.nodeId, 'weft/test/1', bytes, signature))
    assert(!isSignedBy(signer.nodeId, 'weft/test/2', bytes, signature))
    assert(!isSignedBy(signer.nodeId, 'weft/test/1', utf8('spawm'), signature))
    assert(!isSignedBy(signer.nodeId, 'weft/test/1', bytes, signature.subarray(1)))
    assert(!isSignedBy(signer.nodeId, 'weft/test/1', bytes, new Uint8Array(64)))
  })

  it('signerFromSeed() refuses a seed of another size', () => {
    assert.throws(() => signerFromSeed(new Uint8Array(31)), { code: 'CORE_INVALID_SEED' })
    assert.equal(toHex(seed).length, 64)
  })
})
