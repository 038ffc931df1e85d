import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeCbor, meshId, shake256, unixMillis } from '../../../../core/index.ts'
import { formatInvite, parseInvite } from '../../../../mesh/membership/invite-line.ts'
import {
  decodeInvite,
  encodeInvite,
  forgettableInvites,
  isInviteOpen,
  judgeInvite
} from '../../../../mesh/membership/invites.ts'
import type { Invite } from '../../../../mesh/membership/invites.ts'
import { isSameProof, joinProof } from '../../../../mesh/membership/join-messages.ts'
import { testSigner } from '../lab.ts'

const wall = unixMillis(1000)
const nodes = ['a', 'b', 'c'].map((name) => testSigner(name).nodeId)

function invite(changes: Partial<Invite> = {}): Invite {
  return {
    inviteId: '0a'.repeat(16),
    secret: new Uint8Array(32).fill(7),
    expiresAt: unixMillis(2000),
    role: 'member',
    uses: 1,
    usedBy: [],
    relays: [],
    ...changes
  }
}

describe('mesh/membership: invites', () => {
  it('admit at most as many nodes as they have uses, each once (I1)', () => {
    const request = fc.record({
      node: fc.constantFrom(...nodes),
      isProven: fc.boolean(),
      at: fc.integer({ min: 1, max: 3000 })
    })
    fc.assert(
      fc.property(fc.nat(3), fc.array(request), (uses, requests) => {
        let current = invite({ uses })
        const admitted: string[] = []
        for (const { node, isProven, at } of requests) {
          const verdict = judgeInvite(current, { node, isProven }, unixMillis(at))
          if (verdict.kind === 'admit') {
            assert.ok(isProven && at < current.expiresAt && !admitted.includes(node))
            admitted.push(node)
            current = verdict.next
          }
          if (verdict.kind === 'repeat') assert.ok(isProven && admitted.includes(node))
        }
        assert.ok(admitted.length <= uses)
      })
    )
  })

  it('say nothing of themselves without the proof (I3)', () => {
    const [node] = nodes
    assert.ok(node !== undefined)
    const unproven = { node, isProven: false }
    for (const state of [invite(), invite({ uses: 0 }), invite({ expiresAt: unixMillis(1) })]) {
      const verdict = judgeInvite(state, unproven, wall)
      assert.deepEqual(verdict, { kind: 'refuse', code: 'MESH_INVITE_INVALID' })
    }
  })

  it('are open until their time or their last use', () => {
    assert.ok(isInviteOpen(invite(), wall))
    assert.ok(!isInviteOpen(invite(), unixMillis(2000)))
    assert.ok(!isInviteOpen(invite({ usedBy: nodes.slice(0, 1) }), wall))
  })

  it('are forgotten oldest first, and never while open', () => {
    const closed = [10, 30, 20].map((at) => invite({ expiresAt: unixMillis(at) }))
    const forgotten = forgettableInvites([invite(), ...closed], wall, 1)
    assert.deepEqual(
      forgotten.map(({ expiresAt }) => expiresAt),
      [20, 10]
    )
  })

  it('come back from their bytes, and other bytes are refused', () => {
    const full = invite({ usedBy: nodes })
    assert.deepEqual(decodeInvite(encodeInvite(full)), full)
    assert.throws(() => decodeInvite(encodeCbor({ v: 2 })), { code: 'MESH_STORE_DAMAGED' })
  })
})

describe('mesh/membership: the invite line', () => {
  const line = {
    meshId: meshId('ab'.repeat(32)),
    inviter: testSigner('laptop').nodeId,
    addresses: ['/ip4/192.168.1.7/tcp/4001', '/ip6/fe80::1/tcp/4001'],
    inviteId: '0a'.repeat(16),
    secret: new Uint8Array(32).fill(9),
    expiresAt: unixMillis(1_800_000_000_000),
    role: 'member'
  } as const

  it('comes back as it was, also broken into lines by a terminal', () => {
    const text = formatInvite(line)
    assert.deepEqual(parseInvite(text), line)
    assert.deepEqual(parseInvite(` ${text.slice(0, 80)}\n  ${text.slice(80)}\n`), line)
  })

  it('is refused as damaged when any character is changed, or some are missing', () => {
    const text = formatInvite(line)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    fc.assert(
      fc.property(
        fc.nat(text.length - 2),
        fc.constantFrom(...alphabet.split('')),
        (at, character) => {
          // The last character has bits that stand for nothing, so it is not tried.
          if (text[at] === character) return
          const changed = text.slice(0, at) + character + text.slice(at + 1)
          assert.throws(() => parseInvite(changed), { code: 'MESH_INVITE_DAMAGED' })
        }
      )
    )
    fc.assert(
      fc.property(fc.nat(text.length - 1), (length) => {
        assert.throws(() => parseInvite(text.slice(0, length)), { code: 'MESH_INVITE_DAMAGED' })
      })
    )
    assert.throws(() => parseInvite('x'.repeat(5000)), { code: 'MESH_INVITE_DAMAGED' })
  })

  it('is told apart when a later version made it', () => {
    const bytes = encodeCbor([2, 'whatever'])
    const checksum = shake256('weft/invite-line/1', bytes).slice(0, 4)
    const text = `weft1${Buffer.concat([bytes, checksum]).toString('base64url')}`
    assert.throws(() => parseInvite(text), { code: 'MESH_INVITE_UNSUPPORTED' })
  })
})

describe('mesh/membership: the proof of a secret', () => {
  const [joiner, inviter, other] = nodes
  assert.ok(joiner !== undefined && inviter !== undefined && other !== undefined)
  const secret = new Uint8Array(32).fill(1)
  const nonce = new Uint8Array(32)
  const request = { mesh: meshId('00'.repeat(32)), invite: '00'.repeat(16), name: 'server', nonce }
  const session = { request, joiner, inviter, inviterNonce: nonce }
  const proof = joinProof(secret, 'joiner', session)

  it('is good for its session, node, name and direction only', () => {
    const fresh = new Uint8Array(32).fill(3)
    const others = [
      joinProof(secret, 'inviter', session),
      joinProof(new Uint8Array(32), 'joiner', session),
      joinProof(secret, 'joiner', { ...session, inviterNonce: fresh }),
      joinProof(secret, 'joiner', { ...session, joiner: other }),
      joinProof(secret, 'joiner', { ...session, request: { ...request, name: 'desk' } }),
      joinProof(secret, 'joiner', { ...session, request: { ...request, nonce: fresh } })
    ]
    for (const each of others) assert.ok(!isSameProof(proof, each))
    assert.ok(isSameProof(proof, joinProof(secret, 'joiner', session)))
    assert.ok(!isSameProof(proof, 'true'))
    assert.ok(!isSameProof(proof, new Uint8Array()))
  })
})
