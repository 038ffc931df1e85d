// Goal: an invite of a node that cannot be dialled works through a member that can, and through it nothing
// else does. Method: whole nodes over a network in memory, in which joiner and inviter never meet.

import assert from 'node:assert/strict'
import { nodeId } from '../../../core/index.ts'
import { formatInvite, parseInvite } from '../../../mesh/membership/invite-line.ts'
import { JOIN_PROTOCOL } from '../../../mesh/membership/join-messages.ts'
import { guestProtocol, KNOCK_PROTOCOL } from '../../../mesh/membership/knock.ts'
import { helloProtocol } from '../../../mesh/membership/hello.ts'
import { Lab, states, testSigner } from './lab.ts'
import type { Kernel } from './lab.ts'

const stranger = testSigner('stranger').nodeId

describe('mesh: joining through a member', () => {
  let lab: Lab
  let laptop: Kernel
  let server: Kernel
  let desk: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
    server = await lab.member(laptop, 'server')
    desk = await lab.boot(lab.home('desk'))
    lab.hub.cut(laptop.id, desk.id)
  })

  const isOpen = (): boolean => server.network.acceptor?.admits(stranger, 'inbound') === true
  const mayOpen = (protocol: string): boolean =>
    server.network.acceptor?.admitsStream(stranger, protocol) === true

  it('admits a node that only another member can be dialled by', async () => {
    const line = await lab.invite(laptop)
    const { addresses } = parseInvite(line)
    assert.ok(addresses.includes(`${server.home.address}/p2p/${server.id}/p2p-circuit`))
    const { kind } = await lab.join(desk, line)
    assert.equal(kind, 'joined')
    await lab.pass(3000)
    assert.equal(states(desk)['server'], 'alive')
    assert.equal(states(server)['desk'], 'alive')
    assert.equal(laptop.mesh.isMember(desk.id), true)
    assert.deepEqual(laptop.recorded.map(({ kind: each }) => each).slice(-1), ['mesh.admitted'])
  })

  it('opens the member to a knock alone, and only while an invite is open (G1)', async () => {
    assert.equal(isOpen(), false)
    const line = await lab.invite(laptop)
    assert.equal(isOpen(), true)
    assert.equal(mayOpen(KNOCK_PROTOCOL), true)
    const mesh = laptop.mesh.meshId()
    assert.ok(mesh !== null)
    for (const protocol of [JOIN_PROTOCOL, guestProtocol(mesh), helloProtocol(mesh)]) {
      assert.equal(mayOpen(protocol), false, protocol)
    }
    await lab.join(desk, line)
    await lab.pass(100)
    assert.equal(isOpen(), false, 'used up')
    await lab.invite(laptop, { ttlMs: 5000 })
    assert.equal(isOpen(), true)
    await lab.pass(5001)
    assert.equal(isOpen(), false, 'expired')
  })

  it('refuses who has not the secret, and leaves nothing behind', async () => {
    const invite = parseInvite(await lab.invite(laptop))
    const forged = formatInvite({ ...invite, secret: new Uint8Array(32) })
    await assert.rejects(lab.join(desk, forged), { code: 'MESH_INVITE_UNKNOWN' })
    assert.equal(laptop.mesh.isMember(desk.id), false)
    await lab.join(desk, formatInvite(invite))
    assert.equal(laptop.mesh.isMember(desk.id), true)
  })

  it('is shut while the inviter is away, and open again once it is back (G3)', async () => {
    const line = await lab.invite(laptop)
    await lab.settle(laptop.mesh.stop())
    await lab.pass(100)
    assert.equal(isOpen(), false)
    await assert.rejects(lab.join(desk, line), { code: 'MESH_INVITER_UNREACHABLE' })
    laptop = await lab.boot(laptop.home)
    await lab.pass(3000)
    assert.equal(isOpen(), true)
    await lab.join(desk, line)
  })

  it('is open again after the member itself has restarted', async () => {
    const line = await lab.invite(laptop)
    await lab.settle(server.mesh.stop())
    server = await lab.boot(server.home)
    await lab.pass(3000)
    await lab.join(desk, line)
    assert.equal(laptop.mesh.isMember(desk.id), true)
  })

  it('lets through for an admin only, and for no more invites than one may have open', async () => {
    const passes = [[testSigner('pass').nodeId, 60_000]]
    const ask = (): Promise<unknown> =>
      lab.settle(server.mesh.rpc.call(laptop.id, 'mesh', 'sponsor', { v: 1, passes }))
    assert.deepEqual(await ask(), { ok: false })
    assert.equal(laptop.network.acceptor?.admits(stranger, 'inbound'), false)
    await lab.settle(laptop.mesh.acts.setRole(server.id, 'admin'))
    await lab.pass(1000)
    assert.deepEqual(await ask(), { ok: true })
    assert.equal(laptop.network.acceptor?.admits(stranger, 'inbound'), true)
    for (const nonsense of [[['x', 1]], [[nodeId(stranger), -1]], [7], 'x', [[stranger, 1e15]]]) {
      await lab.settle(
        server.mesh.rpc.call(laptop.id, 'mesh', 'sponsor', { v: 1, passes: nonsense as never })
      )
      assert.equal(laptop.network.acceptor?.admits(stranger, 'inbound'), false)
    }
  })

  it('counts uses truly when many come both ways at once', async () => {
    const line = await lab.invite(laptop, { uses: 2 })
    const others = []
    for (const name of ['one', 'two', 'three', 'four']) others.push(await lab.boot(lab.home(name)))
    for (const other of others.slice(0, 2)) lab.hub.cut(laptop.id, other.id)
    const joins = others.map((other) => other.mesh.join(line, new AbortController().signal))
    const settled = await lab.settle(Promise.allSettled(joins))
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 2)
    assert.equal(laptop.mesh.members().length, 4)
  })
})
