// Goal: attack classes 1, 3, 4, 7, 8, 9, 19 and 21 against the membership and the documents, done for real:
// a kernel of its own process on loopback, a hostile libp2p peer, and what the kernel says afterwards.

import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import type { Stream } from '@libp2p/interface'
import { createLibp2p } from 'libp2p'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { meshId, nodeId, signerFromSeed, unixMillis } from '../../../core/index.ts'
import type { MeshId, NodeId } from '../../../core/index.ts'
import { RowDocument } from '../../../mesh/documents/automerge.ts'
import { signEnvelope } from '../../../mesh/documents/envelope.ts'
import { Exchange, fieldsOf } from '../../../mesh/exchange.ts'
import { formatInvite, parseInvite } from '../../../mesh/membership/invite-line.ts'
import { joinProof, JOIN_PROTOCOL } from '../../../mesh/membership/join-messages.ts'
import { signStatement } from '../../../mesh/membership/statement.ts'
import type { StatementBody } from '../../../mesh/membership/statement.ts'
import type { Peer } from '../../../node/api/index.ts'
import { Lab, until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { HostilePeer } from './hostile-peer.ts'

const SERVICES = [
  'mesh',
  'documents',
  'chain',
  'agents',
  'tools',
  'output',
  'executor',
  'origin',
  'blobs'
]
const at = unixMillis(1_800_000_000_000)

describe('attacks on the mesh', function () {
  this.timeout('60s')
  let lab: Lab
  let laptop: KernelHandle
  let id: NodeId
  let mesh: MeshId
  let addresses: readonly string[]
  const open: { stop(): Promise<void> }[] = []

  before(async () => {
    lab = await Lab.open()
    laptop = await lab.start('laptop')
    const status = await laptop.client.meshStatus()
    id = nodeId(status.nodeId)
    mesh = meshId(status.id ?? '')
    addresses = status.listen
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((peer) => peer.stop()))
  })
  after(() => lab.close())

  async function stranger(): Promise<HostilePeer> {
    const peer = await HostilePeer.start()
    open.push(peer)
    return peer
  }

  async function member(name: string): Promise<HostilePeer> {
    const peer = await stranger()
    await peer.join(await lab.invite('laptop'), name)
    return peer
  }

  async function peerNamed(name: string): Promise<Peer | undefined> {
    return (await laptop.client.peers()).find((peer) => peer.name === name)
  }

  /** The kernel lives and answers, and still has the members that it should have. */
  async function isUnharmed(): Promise<void> {
    const status = await laptop.client.meshStatus()
    assert.equal(status.refused, null)
    assert.equal((await peerNamed('laptop'))?.role, 'admin')
  }

  it('1: a plain libp2p client gets nowhere without an invite, and to the join door only with one open', async () => {
    const plain = await createLibp2p({
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()]
    })
    const target = multiaddr(`${addresses[0]}`)
    const protocols = SERVICES.map((name) => `/weft/${mesh.slice(0, 16)}/${name}/1`)
    open.push({ stop: async () => plain.stop() })
    for (const protocol of [JOIN_PROTOCOL, ...protocols]) {
      await assert.rejects(plain.dialProtocol(target, protocol), `${protocol} to a stranger`)
    }
    await lab.invite('laptop')
    for (const protocol of [...protocols, `/weft/${mesh.slice(0, 16)}/hello/1`]) {
      // libp2p agrees on a protocol before anybody may judge; what counts is that nothing goes through.
      const heard = await plain.dialProtocol(target, protocol).then(bytesUntilClosed, () => 0)
      assert.equal(heard, 0, `${protocol} while the door is open`)
    }
    const door = await plain.dialProtocol(target, JOIN_PROTOCOL)
    assert.equal(door.protocol, JOIN_PROTOCOL)
    await isUnharmed()
  })

  it('3: a token that is there is not a token that is right: any other secret is refused', async () => {
    const line = await lab.invite('laptop')
    const invite = parseInvite(line)
    for (const secret of [new Uint8Array(32), invite.secret.map((byte) => byte ^ 1)]) {
      const peer = await stranger()
      const forged = formatInvite({ ...invite, secret })
      await assert.rejects(peer.join(forged, 'forger'), { code: 'MESH_INVITE_INVALID' })
    }
    for (const proof of [null, '', true, new Uint8Array(32), new Uint8Array(0)]) {
      const { answer } = await knock(await stranger(), line, { proof })
      assert.equal(answer['error'], 'MESH_INVITE_INVALID')
    }
    assert.equal(await peerNamed('forger'), undefined)
  })

  it('4: what a joiner says of its role, node or owner changes nothing', async () => {
    const peer = await stranger()
    const more = { role: 'admin', node: id, owner: id, admin: true, uses: 99, by: id }
    const { answer } = await knock(peer, await lab.invite('laptop'), { more, name: 'humble' })
    assert.equal(answer['error'], undefined)
    assert.equal((await peerNamed('humble'))?.role, 'member')
    assert.equal((await peerNamed('humble'))?.nodeId, peer.id)
  })

  it('7: a reconnect with greater claims widens no right', async () => {
    const peer = await member('greedy')
    const claims = { role: 'admin', name: 'laptop', version: 99 } as Partial<
      ReturnType<HostilePeer['hello']>
    >
    const first = await peer.connect(id, addresses)
    await first.close()
    await until(async () => (await peerNamed('greedy'))?.state !== 'alive')
    await peer.connect(id, addresses, claims)
    assert.equal((await peerNamed('greedy'))?.role, 'member')
    await isUnharmed()
  })

  it('8: a member signs itself admin, admits, evicts and lowers the rule: none of it counts', async () => {
    const peer = await member('climber')
    await peer.connect(id, addresses)
    const eve = signerFromSeed(new Uint8Array(32).fill(99)).nodeId
    const self = peer.id
    const bodies: readonly StatementBody[] = [
      { kind: 'role', mesh, node: self, role: 'admin', after: [], keeps: [], at },
      {
        kind: 'admit',
        mesh,
        node: self,
        name: 'climber',
        role: 'admin',
        invite: '0'.repeat(32),
        at
      },
      { kind: 'admit', mesh, node: eve, name: 'eve', role: 'admin', invite: '0'.repeat(32), at },
      { kind: 'revoke', mesh, node: id, keeps: [], at },
      { kind: 'quorum', mesh, signatures: 1, after: [], keeps: [], at },
      { kind: 'leave', mesh, node: id, ends: [mesh], at }
    ]
    const statements = bodies.map((body) => signStatement(peer.signer, body).bytes)
    for (const statement of statements) {
      await peer.call(id, 'mesh', 'statement', { statement })
    }
    const messages = statements.map((body) => ({ topic: 'statement', body }))
    await peer.call(id, 'mesh', 'deliver', { stream: 's', first: 1, messages })
    assert.equal((await peerNamed('climber'))?.role, 'member')
    assert.equal(await peerNamed('eve'), undefined)
    await isUnharmed()
  })

  it('8: a member makes no kernel believe that its home was copied', async () => {
    const peer = await member('liar')
    const hellos = [null, new Uint8Array(40), forgedClaim(peer)]
    for (const evidence of hellos) {
      peer.refuseHello = { code: 'MESH_DUPLICATE_IDENTITY', evidence }
      const listening = { ...peer.hello(), addresses: peer.network.addresses() }
      const connection = await peer.connect(id, addresses, listening)
      await connection.close() // So that the kernel dials, and is refused.
      await until(async () => (await peerNamed('liar'))?.state !== 'alive')
    }
    await isUnharmed()
    const second = await lab.start('second', '--join', await lab.invite('laptop'))
    await until(async () => (await second.client.meshStatus()).connected > 0)
    await isUnharmed()
  })

  it('9: an evicted node stays out with an old copy of everything, and its later words are void', async () => {
    await lab.start('old', '--join', await lab.invite('laptop'))
    await laptop.client.setNodeRole('old', 'admin')
    await lab.done('old', 'kernel', 'stop')
    await cp(lab.homeOf('old'), lab.homeOf('copy'), { recursive: true })
    await rm(lab.homeOf('copy').concat('/run'), { recursive: true, force: true })
    const act = await laptop.client.evictNode('old')
    assert.equal(act.inForce, true)
    // Both the node itself and the copy of before come back. The copy makes an invite while it can.
    for (const name of ['old', 'copy']) {
      await lab.done(name, 'kernel', 'start', '--listen', '/ip4/127.0.0.1/tcp/0')
      const { stdout } = await lab.weaver(name, 'mesh', 'status', '--json')
      const status: { connected: number } = JSON.parse(stdout)
      assert.equal(status.connected, 0, `${name} is connected`)
      await lab.done(name, 'kernel', 'stop')
    }
    assert.equal(await peerNamed('old'), undefined)
    // An accomplice brings what the evicted admin signed meanwhile.
    const accomplice = await member('accomplice')
    await accomplice.connect(id, addresses)
    const seed = await lab.seedOf('old')
    const eve = signerFromSeed(new Uint8Array(32).fill(98)).nodeId
    const said: readonly StatementBody[] = [
      { kind: 'admit', mesh, node: eve, name: 'eve', role: 'admin', invite: '0'.repeat(32), at },
      { kind: 'revoke', mesh, node: accomplice.id, keeps: [], at },
      { kind: 'role', mesh, node: accomplice.id, role: 'admin', after: [], keeps: [], at }
    ]
    for (const body of said) {
      const statement = signStatement(signerFromSeed(seed), body).bytes
      await accomplice.call(id, 'mesh', 'statement', { statement })
    }
    assert.equal(await peerNamed('eve'), undefined)
    assert.equal((await peerNamed('accomplice'))?.role, 'member')
    await isUnharmed()
  })

  it('19: what was said once is worth nothing again: later, elsewhere, or in another mesh', async () => {
    const line = await lab.invite('laptop')
    const peer = await stranger()
    const { proof, nonce } = await knock(peer, line, { name: 'once' })
    const thief = await stranger()
    const replay = await knock(thief, line, { name: 'once', proof, nonce })
    assert.equal(replay.answer['error'], 'MESH_INVITE_INVALID')
    const other = meshId('cd'.repeat(32))
    const replayer = await member('replayer')
    await replayer.connect(id, addresses)
    const admit = { name: 'replayed', role: 'admin', invite: '0'.repeat(32), at } as const
    const foreign: StatementBody = { kind: 'admit', mesh: other, node: thief.id, ...admit }
    const statement = signStatement(replayer.signer, foreign).bytes
    for (let turn = 0; turn < 2; turn++) {
      await replayer.call(id, 'mesh', 'statement', { statement })
    }
    const envelope = envelopeOf(replayer, { mesh, sequence: 1 })
    const elsewhere = envelopeOf(replayer, { mesh: other, sequence: 2 })
    for (const bytes of [envelope, envelope, elsewhere, elsewhere]) {
      const vector = await replayer.call(id, 'documents', 'push', { envelopes: [bytes] })
      const position = fieldsOf(vector)[replayer.id]
      if (bytes === envelope) assert.deepEqual(position, [1, 1])
    }
    await isUnharmed()
  })

  it('21: a foreign row, bytes that are no document, the highest numbers and a flood cost their author only', async () => {
    const peer = await member('poisoner')
    await peer.connect(id, addresses)
    const victim = { mesh, owner: id, generation: 99, sequence: 1, kind: 'base' } as const
    const foreign = signEnvelope(peer.signer, { ...victim, payload: Uint8Array.of(1) }).bytes
    const garbage = Array.from(
      { length: 50 },
      (_, index) =>
        signEnvelope(peer.signer, {
          mesh,
          owner: peer.id,
          generation: 2,
          sequence: index + 1,
          kind: 'base',
          payload: new Uint8Array(index * 7).fill(index)
        } as const).bytes
    )
    const highest = signEnvelope(peer.signer, {
      mesh,
      owner: peer.id,
      generation: Number.MAX_SAFE_INTEGER,
      sequence: Number.MAX_SAFE_INTEGER,
      kind: 'base',
      payload: rows('x')
    } as const).bytes
    const huge = envelopeOf(peer, { mesh, sequence: 3, text: 'x'.repeat(3_000_000) })
    for (const envelopes of [[foreign], garbage, [highest], [huge]]) {
      await peer.call(id, 'documents', 'push', { envelopes }).catch(() => undefined)
    }
    const flood = Array.from({ length: 60 }, () => [foreign, highest, ...garbage])
    await Promise.all(
      flood.map((envelopes) => peer.call(id, 'documents', 'push', { envelopes }).catch(() => null))
    )
    await isUnharmed()
    const { stdout } = await lab.weaver('laptop', 'run', '--', 'echo', 'still here')
    assert.equal(stdout, 'still here\n')
  })

  it('19: nor is it after a restart, or to another member', async () => {
    const printed = await lab.weaver('laptop', 'mesh', 'invite', '--uses', '3')
    const line = printed.stdout.trim()
    const peer = await stranger()
    const said = await knock(peer, line, { name: 'early' })
    assert.equal(said.answer['error'], undefined)
    const replayer = await member('keeper')
    const envelope = envelopeOf(replayer, { mesh, sequence: 1 })
    const eve = signerFromSeed(new Uint8Array(32).fill(97)).nodeId
    const admit = { name: 'late', role: 'admin', invite: '0'.repeat(32), at } as const
    const body: StatementBody = { kind: 'admit', mesh, node: eve, ...admit }
    const statement = signStatement(replayer.signer, body).bytes
    await lab.done('laptop', 'kernel', 'stop')
    laptop = await lab.start('laptop')
    addresses = (await laptop.client.meshStatus()).listen
    const thief = await stranger()
    const again = formatInvite({ ...parseInvite(line), addresses })
    const replay = await knock(thief, again, { name: 'early', ...proofOf(said) })
    assert.equal(replay.answer['error'], 'MESH_INVITE_INVALID')
    const other = await lab.start('other', '--join', await lab.invite('laptop'))
    const status = await other.client.meshStatus()
    const otherId = nodeId(status.nodeId)
    for (const [target, where] of [
      [id, addresses],
      [otherId, status.listen]
    ] as const) {
      const connection = await replayer.connect(target, where)
      for (let turn = 0; turn < 2; turn += 1) {
        await replayer.call(target, 'mesh', 'statement', { statement })
        const vector = await replayer.call(target, 'documents', 'push', { envelopes: [envelope] })
        assert.deepEqual(fieldsOf(vector)[replayer.id], [1, 1])
      }
      await connection.close()
    }
    // The invite is the laptop's: at another member its proof opens nothing.
    const elsewhere = formatInvite({
      ...parseInvite(line),
      inviter: otherId,
      addresses: status.listen
    })
    await assert.rejects(knock(await stranger(), elsewhere, proofOf(said)))
    assert.equal(await peerNamed('late'), undefined)
    await isUnharmed()
  })

  function proofOf(said: { readonly proof: Uint8Array; readonly nonce: Uint8Array }) {
    return { proof: said.proof, nonce: said.nonce }
  }

  function forgedClaim(peer: HostilePeer): Uint8Array | null {
    return peer.hello().claim
  }

  /** The join conversation, word by word, with `said` in place of what is right. */
  async function knock(
    peer: HostilePeer,
    line: string,
    said: {
      readonly name?: string
      readonly proof?: unknown
      readonly nonce?: Uint8Array
      readonly more?: Readonly<Record<string, string | number | boolean>>
    }
  ): Promise<{
    readonly answer: Readonly<Record<string, unknown>>
    readonly proof: Uint8Array
    readonly nonce: Uint8Array
  }> {
    const invite = parseInvite(line)
    const connection = await peer.dial(invite.inviter, invite.addresses)
    const exchange = new Exchange(
      await connection.openStream(JOIN_PROTOCOL, AbortSignal.timeout(5000))
    )
    const nonce = said.nonce ?? new Uint8Array(32).fill(3)
    const name = said.name ?? 'knocker'
    const request = { mesh: invite.meshId, invite: invite.inviteId, name, nonce }
    await exchange.send({ v: 1, ...request, ...said.more })
    const first = fieldsOf(await exchange.receive(1024))
    const inviterNonce = first['nonce']
    assert(inviterNonce instanceof Uint8Array)
    const session = { request, joiner: peer.id, inviter: invite.inviter, inviterNonce }
    const right = joinProof(invite.secret, 'joiner', session)
    const proof = 'proof' in said ? said.proof : right
    await exchange.send({ proof: proof as Uint8Array })
    const answer = fieldsOf(await exchange.receive(1e6))
    await connection.close()
    return { answer, proof: right, nonce }
  }
})

/** Speaks, and counts what comes back until the other side has ended the stream. */
async function bytesUntilClosed(stream: Stream): Promise<number> {
  let bytes = 0
  const closed = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }) => (bytes += data.byteLength))
  stream.addEventListener('close', () => closed.resolve(), { once: true })
  try {
    stream.send(new Uint8Array(64))
  } catch {
    return bytes // It was over already.
  }
  await closed.promise
  return bytes
}

function rows(text: string): Uint8Array {
  const document = RowDocument.create(text.slice(0, 9))
  document.edit(new Map([['process/1', JSON.stringify(text)]]))
  const bytes = document.save()
  document.free()
  return bytes
}

function envelopeOf(
  peer: HostilePeer,
  { mesh, sequence, text = 'x' }: { mesh: MeshId; sequence: number; text?: string }
): Uint8Array {
  const body = { mesh, owner: peer.id, generation: 1, sequence, kind: 'base' } as const
  return signEnvelope(peer.signer, { ...body, payload: rows(text) }).bytes
}
