import assert from 'node:assert/strict'
import { millis, shake256, toHex, utf8, WeaverError } from '../../../core/index.ts'
import { Lab, states } from './lab.ts'

describe('mesh: whole nodes over a network in memory', () => {
  let lab: Lab

  beforeEach(() => {
    lab = new Lab()
  })

  it('joins by one line, and each sees the other alive', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.boot(lab.home('server'))
    const outcome = await lab.join(server, await lab.invite(laptop))
    assert.equal(outcome.kind, 'joined')
    await lab.pass(2000)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'alive' })
    assert.deepEqual(states(server), { laptop: 'alive', server: 'self' })
    assert.equal(laptop.mesh.meshId(), server.mesh.meshId())
    const kinds = laptop.recorded.map(({ kind }) => kind)
    assert.deepEqual(kinds, ['mesh.created', 'mesh.admitted'])
    assert.deepEqual(
      server.recorded.map(({ kind }) => kind),
      ['mesh.joined']
    )
  })

  it('finds a member by name, by id and by a unique prefix of the id only', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const { mesh } = laptop
    assert.equal(mesh.member('server')?.nodeId, server.id)
    assert.equal(mesh.member(server.id)?.name, 'server')
    assert.equal(mesh.member(server.id.slice(0, 20))?.name, 'server')
    assert.equal(mesh.member('12D3Koo'), null)
    assert.equal(mesh.member(''), null)
    assert.equal(mesh.nameOf(server.id), 'server')
  })

  it('gives a third member to all, though only one of them admitted it', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const desk = await lab.member(laptop, 'desk')
    assert.deepEqual(states(server), { desk: 'alive', laptop: 'alive', server: 'self' })
    assert.deepEqual(states(desk), { desk: 'self', laptop: 'alive', server: 'alive' })
  })

  it('reports a closed connection in the same instant, and redials by itself', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const changes: string[] = []
    laptop.mesh.onPeerChange((peer) => changes.push(peer.state))
    await lab.kill(server)
    await lab.pass(0)
    assert.deepEqual(changes, ['suspect'])
    await lab.pass(31_000)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'dead' })
    await lab.boot(server.home)
    await lab.pass(1000)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'alive' })
  })

  it('shows a node that stopped as left, and not as dead', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    await lab.settle(server.mesh.stop())
    await lab.pass(60_000)
    assert.deepEqual(states(laptop), { laptop: 'self', server: 'left' })
  })

  it('still shows it so after a restart of its own, until it is back', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    await lab.settle(server.mesh.stop())
    await lab.settle(laptop.mesh.stop())
    const again = await lab.boot(laptop.home)
    assert.deepEqual(states(again), { laptop: 'self', server: 'left' })
    await lab.pass(60_000)
    assert.deepEqual(states(again), { laptop: 'self', server: 'left' })
    await lab.boot(server.home)
    await lab.pass(3000)
    assert.deepEqual(states(again), { laptop: 'self', server: 'alive' })
  })

  it('remembers mesh, members and addresses over restarts of both', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    await lab.settle(laptop.mesh.stop())
    await lab.settle(server.mesh.stop())
    const again = await lab.boot(laptop.home)
    const serverAgain = await lab.boot(server.home)
    await lab.pass(5000)
    assert.deepEqual(states(again), { laptop: 'self', server: 'alive' })
    assert.equal(serverAgain.mesh.meshId(), laptop.mesh.meshId())
  })

  it('finds a member again at another address, told by the member itself', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    await lab.settle(server.mesh.stop())
    await lab.boot(server.home, '/ip4/192.168.7.7/tcp/4001')
    await lab.pass(5000)
    assert.equal(states(laptop)['server'], 'alive')
    assert.ok(laptop.mesh.peer(server.id)?.addresses.includes('/ip4/192.168.7.7/tcp/4001'))
  })

  it('cuts and redials a connection that swallows everything', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const changes: string[] = []
    laptop.mesh.onPeerChange((peer) => changes.push(`${peer.state} ${peer.isConnected}`))
    lab.hub.silence(laptop.id, server.id)
    await lab.pass(10_000)
    assert.deepEqual(changes, ['suspect true', 'suspect false', 'alive true'])
  })

  it('measures a round trip and exchanges pulses', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    assert.equal(laptop.mesh.peer(server.id)?.rttMs, 0) // This network takes no time.
    assert.ok(laptop.heard.length >= 2)
    assert.deepEqual(laptop.heard[0], [server.id, { load: 'server' }])
  })

  it('redials at once after the clock has jumped', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    lab.hub.cut(laptop.id, server.id)
    await lab.pass(120_000)
    lab.hub.heal(laptop.id, server.id)
    // The machine sleeps: all timers are late by ten seconds.
    lab.clock.advanceTo(millis(lab.clock.now() + 10_000))
    await lab.pass(100)
    assert.equal(states(laptop)['server'], 'alive')
  })

  it('keeps one connection where both dial at once (K4)', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    for (let round = 0; round < 20; round++) {
      lab.hub.cut(laptop.id, server.id)
      await lab.pass(1)
      lab.hub.heal(laptop.id, server.id)
      await lab.pass(2000)
      assert.equal(lab.hub.connections(), 1)
      assert.equal(states(server)['laptop'], 'alive')
    }
  })

  it('keeps the same one of two connections on both sides, whenever they meet (K4)', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    await lab.pass(2000)
    for (const slow of [laptop, server]) {
      for (let slowness = 0; slowness < 60; slowness++) {
        lab.hub.cut(laptop.id, server.id)
        await lab.pass(0)
        for (const { mesh } of [laptop, server]) assert.equal(mesh.status().connected, 0)
        lab.hub.heal(laptop.id, server.id)
        slow.network.slowness = slowness
        lab.hub.dials.length = 0
        for (const { mesh } of [laptop, server]) mesh.paths.shaken()
        await lab.pass(1000) // The other one may stay until its calls have ended (K5).
        assert.equal(lab.hub.connections(), 1, `with ${slowness} turns`)
        assert.equal(lab.hub.dials.length, 2)
        for (const { mesh } of [laptop, server]) assert.equal(mesh.status().connected, 1)
      }
      slow.network.slowness = 0
    }
  })

  it('serves calls of members, and fails them when the connection breaks', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.boot(lab.home('server'))
    server.mesh.serve({ name: 'echo', serve: async ({ method }) => method })
    await lab.join(server, await lab.invite(laptop))
    await lab.pass(2000)
    const { rpc } = laptop.mesh
    assert.equal(await lab.settle(rpc.call(server.id, 'echo', 'hello', null)), 'hello')
    await lab.kill(server)
    await assert.rejects(lab.settle(rpc.call(server.id, 'echo', 'hello', null)), {
      code: 'MESH_PEER_UNREACHABLE'
    })
  })

  it('shows rows on the other side without time passing, and after a restart', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const changed: string[] = []
    server.mesh.rows.onChange((node) => changed.push(node))
    laptop.mesh.rows.put('processes', '7', { state: 'running' })
    laptop.mesh.rows.put('processes', '8', { state: 'starting' })
    await lab.pass(20)
    const rows = server.mesh.rows.of(laptop.id)['processes']
    assert.deepEqual({ ...rows }, { 7: { state: 'running' }, 8: { state: 'starting' } })
    assert.deepEqual(changed, [laptop.id])
    laptop.mesh.rows.delete('processes', '7')
    await lab.pass(20)
    assert.deepEqual(Object.keys(server.mesh.rows.of(laptop.id)['processes'] ?? {}), ['8'])
    await lab.kill(laptop)
    const again = await lab.boot(laptop.home)
    again.mesh.rows.put('processes', '9', { state: 'running' })
    await lab.pass(5000)
    assert.deepEqual(Object.keys(server.mesh.rows.of(laptop.id)['processes'] ?? {}), ['9'])
  })

  it('brings a document past a missing connection, by a member between', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    const desk = await lab.member(laptop, 'desk')
    lab.hub.cut(server.id, desk.id)
    desk.mesh.rows.put('processes', '1', { state: 'running' })
    await lab.pass(3000)
    assert.ok(server.mesh.rows.of(desk.id)['processes']?.['1'] !== undefined)
  })

  it('brings a document of many messages to a new member', async () => {
    const laptop = await lab.founder('laptop')
    const put = (round: number): void => {
      for (let key = 0; key < 300; key++) laptop.mesh.rows.put('rows', `${key}`, noise(key, round))
    }
    put(0)
    await lab.pass(20)
    put(1)
    const server = await lab.member(laptop, 'server')
    const rows = server.mesh.rows.of(laptop.id)['rows'] ?? {}
    assert.equal(Object.keys(rows).length, 300)
    assert.equal(rows['299'], noise(299, 1))
  })

  it('stops twice, and leaves nothing that would ever happen', async () => {
    const laptop = await lab.founder('laptop')
    const server = await lab.member(laptop, 'server')
    await lab.settle(Promise.all([laptop.mesh.stop(), laptop.mesh.stop()]))
    await lab.settle(server.mesh.stop())
    await lab.settle(server.mesh.stop())
    assert.equal(lab.clock.nextAt(), null)
    assert.equal(lab.hub.connections(), 0)
  })

  it('founds no mesh when the ledger cannot record it', async () => {
    const laptop = await lab.boot(lab.home('laptop'))
    laptop.ledgerFailure = new WeaverError('CHAIN_FAILED', 'No')
    await assert.rejects(lab.settle(laptop.mesh.found()), { code: 'CHAIN_FAILED' })
    assert.equal(laptop.mesh.meshId(), null)
  })
})

/** Text that does not compress well. */
function noise(key: number, round: number): string {
  const bytes = shake256('noise', utf8(`${key} ${round}`))
  return Array.from({ length: 100 }, (_, index) => toHex(shake256(`${index}`, bytes)))
    .join('')
    .slice(0, 5000)
}
