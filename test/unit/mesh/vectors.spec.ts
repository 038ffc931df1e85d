// Golden bytes of docs/formats/mesh.md. A change here is a new version of a format, with a decision how
// the old one is read.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fromHex, meshId, toHex, unixMillis } from '../../../core/index.ts'
import { parseEnvelope, signEnvelope } from '../../../mesh/documents/envelope.ts'
import { foldMembership } from '../../../mesh/membership/fold.ts'
import { encodeIncarnation } from '../../../mesh/membership/incarnation.ts'
import { formatInvite, parseInvite } from '../../../mesh/membership/invite-line.ts'
import { encodeInvite } from '../../../mesh/membership/invites.ts'
import { passOf, signKnock } from '../../../mesh/membership/knock.ts'
import { joinProof } from '../../../mesh/membership/join-messages.ts'
import { foundedMesh, parseStatement, signStatement } from '../../../mesh/membership/statement.ts'
import { testSigner } from './lab.ts'

const FILE = new URL('../../vectors/mesh/v1.json', import.meta.url)
const at = unixMillis(1_800_000_000_000)
const founder = testSigner('founder')
const server = testSigner('server')

function bytesOf(fill: number, size: number): Uint8Array {
  return new Uint8Array(size).fill(fill)
}

function made(): Readonly<Record<string, string>> {
  const genesis = signStatement(founder, {
    kind: 'genesis',
    node: founder.nodeId,
    name: 'laptop',
    role: 'admin',
    nonce: bytesOf(1, 16),
    at
  })
  const mesh = foundedMesh(genesis)
  const inviteId = toHex(bytesOf(2, 16))
  const admit = signStatement(founder, {
    kind: 'admit',
    mesh,
    node: server.nodeId,
    name: 'server',
    role: 'member',
    invite: inviteId,
    at
  })
  const secret = bytesOf(3, 32)
  const request = { mesh, invite: inviteId, name: 'server', nonce: bytesOf(4, 32) }
  const [joiner, inviter] = [server.nodeId, founder.nodeId]
  const session = { request, joiner, inviter, inviterNonce: bytesOf(5, 32) }
  const addresses = ['/ip4/192.168.1.7/tcp/4801']
  const base = { mesh, owner: inviter, generation: 3, sequence: 1, kind: 'base' } as const
  const knock = { mesh, joiner, through: joiner, inviter, nonce: bytesOf(7, 32) }
  const terms = { inviteId, secret, expiresAt: at, role: 'member' } as const
  return {
    genesis: toHex(genesis.bytes),
    mesh,
    admit: toHex(admit.bytes),
    admitId: admit.id,
    inviteLine: formatInvite({ meshId: mesh, inviter, addresses, ...terms }),
    joinerProof: toHex(joinProof(secret, 'joiner', session)),
    inviterProof: toHex(joinProof(secret, 'inviter', session)),
    pass: passOf(secret).nodeId,
    knockSignature: toHex(signKnock(passOf(secret), knock)),
    envelope: toHex(signEnvelope(founder, { ...base, payload: bytesOf(6, 8) }).bytes),
    storedInvite: toHex(encodeInvite({ ...terms, uses: 2, usedBy: [joiner], relays: [] })),
    storedIncarnation: toHex(encodeIncarnation({ generation: 3, bootId: 'boot' }))
  }
}

describe('mesh: golden bytes of version 1', () => {
  const golden: Readonly<Record<string, string>> = JSON.parse(readFileSync(FILE, 'utf8'))

  it('are what this code writes', () => {
    assert.deepEqual(made(), golden)
  })

  it('are what this code reads', () => {
    const read = (name: string): Uint8Array => fromHex(golden[name] ?? '') ?? new Uint8Array()
    const statements = ['genesis', 'admit'].map((name) => parseStatement(read(name)))
    const membership = foldMembership(meshId(golden['mesh'] ?? ''), statements)
    const names = [...(membership?.members.values() ?? [])].map(({ name }) => name)
    assert.deepEqual(names, ['laptop', 'server'])
    assert.equal(parseInvite(golden['inviteLine'] ?? '').inviter, founder.nodeId)
    assert.equal(parseEnvelope(read('envelope')).sequence, 1)
  })
})
