import assert from 'node:assert/strict'
import { nodeIdText } from '../../../mesh/index.ts'
import { Lab, states } from './lab.ts'
import type { Kernel } from './lab.ts'

describe('mesh: evicting and leaving', () => {
  let lab: Lab
  let laptop: Kernel
  let server: Kernel
  let desk: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
    server = await lab.member(laptop, 'server')
    desk = await lab.member(laptop, 'desk')
  })

  it('locks a node out everywhere at once, and tells it', async () => {
    const outcome = await lab.settle(laptop.mesh.acts.evict(desk.id))
    assert.deepEqual(outcome.confirmed, [server.id])
    assert.deepEqual(outcome.outstanding, [])
    assert.equal(server.mesh.isMember(desk.id), false)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'alive' })
    assert.match(desk.mesh.status().refused ?? '', /laptop has evicted this node/)
    assert.equal(desk.mesh.status().connected, 0)
    await assert.rejects(lab.settle(desk.mesh.rpc.call(server.id, 'mesh', 'ping', null)), {
      code: 'MESH_PEER_UNREACHABLE'
    })
    await lab.pass(60_000)
    assert.equal(lab.hub.connections(), 1)
    assert.deepEqual(laptop.recorded.map(({ kind }) => kind).slice(-1), ['mesh.evicted'])
  })

  it('keeps it out after restarts of all, and on a member that was away meanwhile', async () => {
    await lab.settle(server.mesh.stop())
    const { outstanding } = await lab.settle(laptop.mesh.acts.evict(desk.id))
    assert.deepEqual(outstanding, [server.id])
    await lab.settle(laptop.mesh.stop())
    await lab.settle(desk.mesh.stop())
    laptop = await lab.boot(laptop.home)
    desk = await lab.boot(desk.home)
    server = await lab.boot(server.home)
    await lab.pass(5000)
    assert.deepEqual(states(server), { laptop: 'alive', server: 'self' })
    assert.equal(server.mesh.isMember(desk.id), false)
    assert.equal(lab.hub.connections(), 1)
  })

  it('keeps out a node that comes back with an old copy of everything', async () => {
    const copy = lab.home('desk')
    for (const [key, value] of await desk.home.store.list('')) {
      await copy.store.write([{ key, value }])
    }
    await lab.settle(desk.mesh.stop())
    await lab.settle(laptop.mesh.acts.evict(desk.id))
    copy.generation = 50
    const old = await lab.boot(copy)
    await lab.pass(30_000)
    assert.equal(old.mesh.status().connected, 0)
    assert.equal(laptop.mesh.isMember(desk.id), false)
    assert.equal(server.mesh.isMember(desk.id), false)
  })

  it('is refused to a member, and about a node itself', async () => {
    await assert.rejects(lab.settle(server.mesh.acts.evict(desk.id)), { code: 'MESH_NOT_ADMIN' })
    await assert.rejects(lab.settle(laptop.mesh.acts.evict(laptop.id)), { code: 'MESH_NOT_MEMBER' })
  })

  it('does not happen where it cannot be recorded', async () => {
    laptop.ledgerFailure = new Error('disk full')
    await assert.rejects(lab.settle(laptop.mesh.acts.evict(desk.id)), /disk full/)
    assert.equal(laptop.mesh.isMember(desk.id), true)
  })

  it('lets no evicted key join again, and a new key at once', async () => {
    await lab.settle(laptop.mesh.acts.evict(desk.id))
    await assert.rejects(lab.join(desk, await lab.invite(laptop)), { code: 'MESH_EVICTED' })
    await lab.settle(desk.mesh.stop())
    const fresh = await lab.boot({ ...lab.home('desk-2'), name: 'desk' })
    await lab.join(fresh, await lab.invite(laptop))
    await lab.pass(3000)
    assert.equal(states(server)['desk'], 'alive')
  })

  it('keeps out whom an admin evicted that is evicted itself at the same time', async () => {
    await lab.settle(laptop.mesh.acts.setRole(server.id, 'admin'))
    lab.hub.cut(laptop.id, server.id)
    lab.hub.cut(laptop.id, desk.id)
    await lab.settle(server.mesh.acts.evict(desk.id))
    await lab.settle(laptop.mesh.acts.evict(server.id))
    lab.hub.heal(laptop.id, desk.id)
    lab.hub.heal(laptop.id, server.id)
    await lab.pass(30_000)
    assert.equal(server.mesh.isMember(desk.id), false)
    assert.equal(laptop.mesh.isMember(server.id), false)
    assert.equal(server.mesh.status().connected, 0)
  })

  it('leaves cleanly: gone for the others, and in a mesh of its own', async () => {
    const before = desk.mesh.meshId()
    const { outstanding } = await lab.settle(desk.mesh.acts.leave(false))
    assert.deepEqual(outstanding, [])
    assert.notEqual(desk.mesh.meshId(), before)
    assert.deepEqual(states(desk), { desk: 'self' })
    assert.deepEqual(states(laptop), { desk: 'left', laptop: 'self', server: 'alive' })
    assert.equal(laptop.mesh.isMember(desk.id), false)
    await lab.pass(11 * 60_000)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'alive' })
    assert.equal(lab.hub.connections(), 1)
    await lab.join(desk, await lab.invite(laptop))
    await lab.pass(3000)
    assert.deepEqual(states(server), { desk: 'alive', laptop: 'alive', server: 'self' })
  })

  it('shows who left also after a restart, and keeps nothing else of it', async () => {
    await lab.settle(desk.mesh.acts.leave(false))
    await lab.pass(60_000)
    const kept = await laptop.home.store.list('mesh/')
    const keys = kept.map(([key]) => key).filter((key) => key.includes(desk.id))
    assert.deepEqual(keys, [])
    await lab.settle(laptop.mesh.stop())
    laptop = await lab.boot(laptop.home)
    assert.equal(states(laptop)['desk'], 'left')
    await lab.pass(10 * 60_000)
    assert.equal(states(laptop)['desk'], undefined)
  })

  it('lets the only admin leave when told so twice, and not before', async () => {
    await assert.rejects(lab.settle(laptop.mesh.acts.leave(false)), { code: 'MESH_LAST_ADMIN' })
    await lab.settle(laptop.mesh.acts.setRole(server.id, 'admin'))
    await lab.settle(laptop.mesh.acts.leave(false))
    assert.deepEqual(states(server), { desk: 'alive', laptop: 'left', server: 'self' })
    await lab.settle(server.mesh.acts.evict(desk.id))
    assert.equal(server.mesh.isMember(desk.id), false)
  })

  it('asks for two signatures where that is set, for admissions too', async () => {
    const { acts } = laptop.mesh
    await assert.rejects(lab.settle(acts.setSignatures(2)), { code: 'MESH_LIMIT_REACHED' })
    await lab.settle(acts.setRole(server.id, 'admin'))
    assert.equal((await lab.settle(acts.setSignatures(2))).isInForce, false)
    assert.equal((await lab.settle(server.mesh.acts.approve(null))).length, 1)
    await lab.pass(2000)
    assert.equal(acts.signatures(), 2)
    assert.equal((await lab.settle(acts.evict(desk.id))).isInForce, false)
    assert.equal(server.mesh.isMember(desk.id), true)
    await lab.settle(server.mesh.acts.approve(null))
    await lab.pass(2000)
    assert.equal(laptop.mesh.isMember(desk.id), false)
    const phone = await lab.boot(lab.home('phone'))
    const line = await lab.invite(laptop)
    await assert.rejects(lab.join(phone, line), { code: 'MESH_APPROVAL_PENDING' })
    await lab.pass(2000)
    await lab.settle(server.mesh.acts.approve(null))
    await lab.pass(2000)
    await lab.join(phone, line)
    await lab.pass(3000)
    assert.equal(states(server)['phone'], 'alive')
  })

  it('knows a mistyped node id by its check digits', () => {
    const text = nodeIdText(desk.id)
    assert.equal(laptop.mesh.member(text)?.name, 'desk')
    assert.equal(laptop.mesh.member(`${desk.id.slice(0, 20)}${text.slice(-4)}`)?.name, 'desk')
    const last = text.endsWith('a') ? 'b' : 'a'
    for (const typo of [`${text.slice(0, -1)}${last}`, text.replace(desk.id[30] ?? '', 'X')]) {
      assert.throws(() => laptop.mesh.member(typo), { code: 'MESH_NODE_ID_MISTYPED' })
    }
  })
})
