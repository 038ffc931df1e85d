import assert from 'node:assert/strict'
import { millis, unixMillis, WeaverError } from '../../../core/index.ts'
import { formatInvite, parseInvite } from '../../../mesh/membership/invite-line.ts'
import { helloProtocol } from '../../../mesh/membership/hello.ts'
import { Exchange } from '../../../mesh/exchange.ts'
import { JOIN_PROTOCOL } from '../../../mesh/membership/join-messages.ts'
import { Lab, states, testSigner } from './lab.ts'
import type { Kernel } from './lab.ts'

describe('mesh: joining', () => {
  let lab: Lab
  let laptop: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
  })

  async function refused(joiner: Kernel, line: string, code: string): Promise<void> {
    const before = joiner.mesh.meshId()
    await assert.rejects(lab.join(joiner, line), (error: WeaverError) => {
      assert.equal(error.code, code, error.message)
      assert.ok(!error.message.includes('\n'))
      return true
    })
    assert.equal(joiner.mesh.meshId(), before)
    assert.deepEqual(
      joiner.recorded.filter(({ kind }) => kind === 'mesh.joined'),
      []
    )
  }

  it('refuses a damaged line, and an invite of a later version', async () => {
    const joiner = await lab.boot(lab.home('server'))
    const line = await lab.invite(laptop)
    await refused(joiner, line.slice(0, -3), 'MESH_INVITE_DAMAGED')
    await refused(joiner, 'hello', 'MESH_INVITE_DAMAGED')
  })

  it('joins though its own clock says that the invite has expired: the inviter judges', async () => {
    const joiner = await lab.boot(lab.home('server'))
    const invite = parseInvite(await lab.invite(laptop))
    const threeDays = 3 * 24 * 3_600_000
    const early = unixMillis(invite.expiresAt - threeDays)
    await lab.join(joiner, formatInvite({ ...invite, expiresAt: early }))
    assert.equal(laptop.mesh.isMember(joiner.id), true)
  })

  it('refuses an expired invite, with the door shut and with it open', async () => {
    const joiner = await lab.boot(lab.home('server'))
    const line = await lab.invite(laptop, { ttlMs: 1000 })
    await lab.pass(1001)
    await refused(joiner, line, 'MESH_INVITE_EXPIRED')
    // The joiner's clock may be behind, or its line altered: the inviter's word counts.
    await lab.invite(laptop)
    const invite = parseInvite(line)
    const later = formatInvite({ ...invite, expiresAt: lab.clock.wall() + 1e6 } as typeof invite)
    await refused(joiner, later, 'MESH_INVITE_EXPIRED')
  })

  it('refuses an invite that was used, with the door shut and with it open', async () => {
    const line = await lab.invite(laptop)
    await lab.join(await lab.boot(lab.home('first')), line)
    const second = await lab.boot(lab.home('second'))
    await refused(second, line, 'MESH_INVITE_USED')
    await lab.invite(laptop)
    await refused(second, line, 'MESH_INVITE_USED')
    assert.equal(laptop.mesh.members().length, 2)
  })

  it('counts the uses of an invite truly when many come at once', async () => {
    const line = await lab.invite(laptop, { uses: 2 })
    const joiners = []
    for (const name of ['a', 'b', 'c', 'd']) joiners.push(await lab.boot(lab.home(name)))
    const signal = new AbortController().signal
    const results = await lab.settle(
      Promise.allSettled(joiners.map(({ mesh }) => mesh.join(line, signal)))
    )
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 2)
    assert.equal(laptop.mesh.members().length, 3)
  })

  it('goes on as a member over the connection that it joined on', async () => {
    const server = await lab.boot(lab.home('server'))
    await lab.join(server, await lab.invite(laptop))
    await lab.pass(50)
    assert.deepEqual(lab.hub.dials, [`${server.id}>${laptop.id}`])
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'alive' })
    assert.deepEqual(states(server), { laptop: 'alive', server: 'self' })
  })

  it('tells the other members of an admission, who need not ask for it', async () => {
    const desk = await lab.member(laptop, 'desk')
    const { rpc } = desk.mesh
    const asked: string[] = []
    const call = rpc.call.bind(rpc)
    rpc.call = (...args) => {
      asked.push(args[2])
      return call(...args)
    }
    const server = await lab.boot(lab.home('server'))
    await lab.join(server, await lab.invite(laptop))
    await lab.pass(50)
    assert.equal(desk.mesh.isMember(server.id), true)
    assert.deepEqual(
      asked.filter((method) => method === 'statements'),
      []
    )
    assert.deepEqual(states(server), { desk: 'alive', laptop: 'alive', server: 'self' })
  })

  it('is seen alive by members that it cannot reach, and sees them, by the word of each', async () => {
    const desk = await lab.member(laptop, 'desk')
    const server = await lab.boot(lab.home('server'))
    lab.hub.cut(desk.id, server.id)
    lab.hub.cut(server.id, desk.id)
    await lab.join(server, await lab.invite(laptop))
    await lab.pass(50)
    assert.deepEqual(states(server), { desk: 'alive', laptop: 'alive', server: 'self' })
    assert.deepEqual(states(desk), { desk: 'self', laptop: 'alive', server: 'alive' })
    for (const [one, other] of [
      [desk, server],
      [server, desk]
    ] as const) {
      const view = one.mesh.peer(other.id)
      assert.deepEqual([view?.isConnected, view?.connection, view?.rttMs], [false, null, null])
    }
    await lab.pass(120_000)
    assert.equal(states(server)['desk'], 'alive', 'a member between says that it lives')
  })

  it('dials the members itself: of the two connections that there could be, one is begun', async () => {
    const home = lab.home('server')
    const known = lab.home('desk')
    known.staticAddresses = [`${home.address}/p2p/${home.signer.nodeId}`]
    const desk = await lab.boot(known)
    await lab.join(desk, await lab.invite(laptop))
    const server = await lab.boot(home)
    await lab.join(server, await lab.invite(laptop))
    await lab.pass(1000)
    assert.equal(server.mesh.peer(desk.id)?.connection?.direction, 'outbound')
    assert.deepEqual(
      lab.hub.dials.filter((dial) => dial.endsWith(`>${server.id}`)),
      []
    )
  })

  it('closes the connection of a join that comes to nothing, and of one that its ledger refuses', async () => {
    const server = await lab.boot(lab.home('server'))
    const line = await lab.invite(laptop)
    server.ledgerFailure = new WeaverError('CHAIN_FAILED', 'No')
    await assert.rejects(lab.join(server, line), { code: 'CHAIN_FAILED' })
    await lab.pass(50)
    assert.equal(lab.hub.connections(), 0)
  })

  it('takes no hello of a stranger whose invite is not used yet', async () => {
    const stranger = await lab.boot(lab.home('stranger'))
    await lab.invite(laptop)
    const { acceptor } = laptop.network
    const mesh = laptop.mesh.meshId()
    assert.ok(acceptor !== null && mesh !== null)
    assert.equal(acceptor.admits(stranger.id, 'inbound'), true)
    assert.equal(acceptor.admitsStream(stranger.id, helloProtocol(mesh)), false)
  })

  it('refuses a forged secret, and an invite that nobody made', async () => {
    const joiner = await lab.boot(lab.home('server'))
    const invite = parseInvite(await lab.invite(laptop))
    const forged = formatInvite({ ...invite, secret: new Uint8Array(32) })
    await refused(joiner, forged, 'MESH_INVITE_INVALID')
    const unknown = formatInvite({ ...invite, inviteId: '00'.repeat(16) })
    await refused(joiner, unknown, 'MESH_INVITE_UNKNOWN')
    const foreign = formatInvite({ ...invite, meshId: '00'.repeat(32) as typeof invite.meshId })
    await refused(joiner, foreign, 'MESH_WRONG_MESH')
  })

  it('refuses a name that no node may have, and leaves the invite as it was', async () => {
    const line = await lab.invite(laptop)
    const misnamed = await lab.boot({ ...lab.home('server'), name: 'My Server' })
    await refused(misnamed, line, 'CORE_INVALID_NAME')
    assert.deepEqual(lab.hub.dials, [])
    const exchange = await asStranger(line)
    await exchange.send({ v: 1, mesh: laptop.mesh.meshId(), name: 'My Server' })
    assert.deepEqual(await exchange.receive(1024), { error: 'MESH_MESSAGE_INVALID' })
    const server = await lab.boot(lab.home('server'))
    assert.equal((await lab.join(server, line)).kind, 'joined')
  })

  /** A program of another maker, on the join protocol. */
  async function asStranger(line: string): Promise<Exchange> {
    const { inviter: peer, addresses } = parseInvite(line)
    const network = lab.hub.network(testSigner('stranger').nodeId, '/ip4/10.9.9.9/tcp/1')
    await network.start({
      admits: () => true,
      admitsStream: () => true,
      connected: () => undefined
    })
    const signal = new AbortController().signal
    const connection = await lab.settle(network.dial({ nodeId: peer, addresses }, signal))
    return new Exchange(await connection.openStream(JOIN_PROTOCOL, signal))
  }

  it('does not count a refused attempt as a use', async () => {
    const line = await lab.invite(laptop)
    const namesake = await lab.boot({ ...lab.home('other'), name: 'laptop' })
    await refused(namesake, line, 'MESH_NAME_TAKEN')
    const server = await lab.boot(lab.home('server'))
    assert.equal((await lab.join(server, line)).kind, 'joined')
  })

  it('says where it looked when the inviter does not answer', async () => {
    const joiner = await lab.boot(lab.home('server'))
    const line = await lab.invite(laptop)
    await lab.kill(laptop)
    await refused(joiner, line, 'MESH_INVITER_UNREACHABLE')
  })

  it('leaves a mesh of one for another, but not a mesh with others', async () => {
    const server = await lab.founder('server')
    const own = server.mesh.meshId()
    await lab.invite(server)
    await lab.join(server, await lab.invite(laptop))
    assert.notEqual(server.mesh.meshId(), own)
    const desk = await lab.founder('desk')
    const line = await lab.invite(desk)
    await lab.pass(2000)
    await refusedAsMember(server, line)
    await refusedAsMember(laptop, line)
  })

  async function refusedAsMember(kernel: Kernel, line: string): Promise<void> {
    await assert.rejects(lab.join(kernel, line), { code: 'MESH_ALREADY_MEMBER' })
  }

  it('does nothing when a member joins its own mesh again', async () => {
    const line = await lab.invite(laptop)
    const server = await lab.boot(lab.home('server'))
    await lab.join(server, line)
    assert.equal((await lab.join(server, line)).kind, 'already')
    assert.equal((await lab.join(laptop, line)).kind, 'already')
  })

  it('lets a joiner whose answer was lost ask again without another use (I1)', async () => {
    const line = await lab.invite(laptop)
    const server = await lab.boot(lab.home('server'))
    server.ledgerFailure = new WeaverError('CHAIN_FAILED', 'No')
    await assert.rejects(lab.join(server, line), { code: 'CHAIN_FAILED' })
    assert.equal(server.mesh.meshId(), null)
    assert.equal(laptop.mesh.members().length, 2)
    server.ledgerFailure = null
    assert.equal((await lab.join(server, line)).kind, 'joined')
    await lab.pass(3000)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'alive' })
  })

  it('admits nobody when the inviter cannot record it (D2)', async () => {
    const line = await lab.invite(laptop)
    const server = await lab.boot(lab.home('server'))
    laptop.ledgerFailure = new WeaverError('GOVERNANCE_DENIED', 'No')
    await refused(server, line, 'MESH_ADMISSION_FAILED')
    laptop.ledgerFailure = null
    laptop.home.store.failNextWrite(new WeaverError('STORE_FAILED', 'Disk full'))
    await refused(server, line, 'MESH_ADMISSION_FAILED')
    assert.equal(laptop.mesh.members().length, 1)
    assert.equal((await lab.join(server, line)).kind, 'joined')
  })

  it('keeps a use counted, and an invite open, over the inviter’s restart', async () => {
    const line = await lab.invite(laptop, { uses: 2 })
    await lab.join(await lab.boot(lab.home('first')), line)
    await lab.kill(laptop)
    await lab.boot(laptop.home)
    await lab.join(await lab.boot(lab.home('second')), line)
    await refused(await lab.boot(lab.home('third')), line, 'MESH_INVITE_USED')
  })

  it('lets only admins invite', async () => {
    const server = await lab.member(laptop, 'server')
    const terms = { ttlMs: millis(1000), uses: 1, role: 'member' } as const
    await assert.rejects(server.mesh.invite(terms), { code: 'MESH_NOT_ADMIN' })
    const admin = await lab.boot(lab.home('admin'))
    await lab.join(admin, await lab.invite(laptop, { role: 'admin' }))
    const desk = await lab.boot(lab.home('desk'))
    await lab.join(desk, await lab.invite(admin))
    await lab.pass(3000)
    assert.equal(states(server)['desk'], 'alive')
  })

  it('refuses terms out of bounds, and more invites than the limit', async () => {
    const terms = { ttlMs: millis(1000), uses: 1, role: 'member' } as const
    const refusedTerms = { code: 'MESH_LIMIT_REACHED' }
    await assert.rejects(laptop.mesh.invite({ ...terms, uses: 0 }), refusedTerms)
    await assert.rejects(laptop.mesh.invite({ ...terms, uses: 1001 }), refusedTerms)
    await assert.rejects(laptop.mesh.invite({ ...terms, ttlMs: millis(3.2e9) }), refusedTerms)
    for (let count = 0; count < 64; count++) await laptop.mesh.invite(terms)
    await assert.rejects(laptop.mesh.invite(terms), refusedTerms)
    await lab.pass(1001)
    await laptop.mesh.invite(terms)
  })

  it('cuts a stranger at once while no invite is open, and after a while if it says nothing', async () => {
    const stranger = lab.hub.network(lab.home('stranger').signer.nodeId, '/ip4/6.6.6.6/tcp/1')
    await stranger.start({ admits: () => true, admitsStream: () => true, connected: () => {} })
    const target = { nodeId: laptop.id, addresses: [laptop.home.address] }
    const signal = new AbortController().signal
    await lab.settle((await stranger.dial(target, signal)).closed)
    assert.equal(lab.clock.now(), 0)
    const line = await lab.invite(laptop)
    const second = await stranger.dial(target, signal)
    const mesh16 = parseInvite(line).meshId.slice(0, 16)
    for (const protocol of ['hello', 'mesh', 'documents']) {
      const name = `/weft/${mesh16}/${protocol}/1`
      await assert.rejects(second.openStream(name, signal), { code: 'MESH_STREAM_REFUSED' })
    }
    await lab.settle(second.closed)
    assert.ok(lab.clock.now() <= 10_000)
  })

  it('tells the ninth of as many joins at once to come back, and cuts the seventeenth stranger', async () => {
    const line = await lab.invite(laptop, { uses: 100 })
    const joiners: Kernel[] = []
    for (let count = 0; count < 12; count++) joiners.push(await lab.boot(lab.home(`node-${count}`)))
    const signal = new AbortController().signal
    const results = await lab.settle(
      Promise.allSettled(joiners.map(({ mesh }) => mesh.join(line, signal)))
    )
    const refusals = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    assert.deepEqual(new Set(refusals.map(({ code }) => code)), new Set(['MESH_JOIN_BUSY']))
    assert.equal(refusals.length, 4)
    const closed: number[] = []
    for (let count = 0; count < 20; count++) {
      const address = `/ip4/6.6.6.6/tcp/${count}`
      const stranger = lab.hub.network(lab.home(`stranger-${count}`).signer.nodeId, address)
      await stranger.start({ admits: () => true, admitsStream: () => true, connected: () => {} })
      const target = { nodeId: laptop.id, addresses: [laptop.home.address] }
      const connection = await stranger.dial(target, signal)
      void connection.closed.then(() => closed.push(count))
    }
    await lab.pass(0)
    assert.deepEqual(closed, [16, 17, 18, 19])
    await lab.pass(10_000)
    assert.equal(closed.length, 20)
  })

  it('ends a join that sends garbage, too much, or nothing (D3)', async () => {
    await lab.invite(laptop)
    const stranger = lab.hub.network(lab.home('stranger').signer.nodeId, '/ip4/6.6.6.6/tcp/1')
    await stranger.start({ admits: () => true, admitsStream: () => true, connected: () => {} })
    const target = { nodeId: laptop.id, addresses: [laptop.home.address] }
    const signal = new AbortController().signal
    for (const bytes of [Uint8Array.of(0xff, 0xff, 0xff, 0xff), Uint8Array.of(0, 0, 0, 1, 0xff)]) {
      const connection = await stranger.dial(target, signal)
      const stream = await connection.openStream('/weft/join/1', signal)
      await stream.write(bytes)
      const read = async (): Promise<void> => {
        for await (const chunk of stream.chunks) assert.fail(`${chunk.length} bytes came back`)
      }
      await assert.rejects(lab.settle(read()))
      await connection.close()
    }
    const connection = await stranger.dial(target, signal)
    await connection.openStream('/weft/join/1', signal)
    await lab.settle(connection.closed)
    assert.equal(laptop.mesh.members().length, 1)
  })
})

describe('mesh: a copied home', () => {
  let lab: Lab

  beforeEach(() => {
    lab = new Lab()
  })

  it('is refused while the original lives, and both are told (C2)', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const copy = await lab.boot({ ...server.home }, '/ip4/10.9.9.9/tcp/4001')
    await lab.pass(5000)
    assert.match(copy.mesh.status().refused ?? '', /copy/)
    assert.equal(server.mesh.status().refused, null)
    assert.match(server.mesh.status().warning ?? '', /copied/)
    assert.equal(laptop.mesh.peer(server.id)?.generation, server.home.generation)
    const kinds = laptop.recorded.filter(({ kind }) => kind === 'mesh.refused')
    assert.equal(kinds.length, 1)
    const dials = lab.hub.dials.length
    await lab.pass(60_000)
    assert.equal(lab.hub.dials.length, dials, 'the refused kernel dials no more')
  })

  it('is refused with an older generation, also when the newer is away (C1)', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const stale = { ...server.home, generation: 0 }
    await lab.settle(server.mesh.stop())
    await lab.settle((await lab.boot(server.home)).mesh.stop())
    await lab.pass(100)
    const again = await lab.boot(server.home)
    await lab.pass(5000)
    await lab.settle(again.mesh.stop())
    const copy = await lab.boot(stale)
    await lab.pass(5000)
    assert.match(copy.mesh.status().refused ?? '', /copy/)
    assert.equal(states(laptop)['server'], 'left')
  })

  it('does not mistake a restart for a copy, though the old connection is still open', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    lab.hub.silence(laptop.id, server.id) // The machine lost power: nobody says goodbye.
    server.network.acceptor = null
    const again = await lab.boot(server.home)
    await lab.pass(4000)
    assert.equal(again.mesh.status().refused, null)
    assert.equal(states(laptop)['server'], 'alive')
    await lab.settle(server.mesh.stop())
  })
})
