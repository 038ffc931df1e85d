// A node that changes its key: real kernels, real files, a crash after every step.

import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeId as checkedId } from '../../../core/index.ts'
import { noteOwner } from '../../../node/home.ts'
import { LevelStore } from '../../../node/level-store.ts'
import { Lab, until, untilAlive } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { heightOf, laneOf } from './lanes.ts'

async function nodeIdOf({ client }: KernelHandle): Promise<string> {
  return (await client.status()).nodeId
}

describe('changing the key of a node', function () {
  this.timeout(120_000)
  let lab: Lab

  beforeEach(async () => {
    lab = await Lab.open()
  })

  afterEach(async () => {
    await lab.close()
  })

  it('a member goes on under a new key: name, role and data stay, and everybody follows', async () => {
    const [laptop, server] = await lab.pair()
    const before = await nodeIdOf(server)
    const oldKey = await readFile(join(server.home, 'identity.key'), 'utf8')
    await lab.done('server', 'run', '--', 'true')
    const { code, stdout, stderr } = await lab.weaver('server', 'chain', 'rotate', '--json')
    assert.equal(code, 0, stderr)
    const { from, to }: { from: string; to: string } = JSON.parse(stdout)
    assert.equal(from, before)
    assert.notEqual(to, before)
    assert.equal(await nodeIdOf(server), to)
    assert.notEqual(await readFile(join(server.home, 'identity.key'), 'utf8'), oldKey)
    await assert.rejects(stat(join(server.home, 'identity.next')))

    await untilAlive(laptop, to)
    assert.equal((await laptop.client.peers()).find(({ nodeId }) => nodeId === to)?.name, 'server')
    // On the other member: the old lane whole and ended, the new one begun with the same entry.
    await until(async () => (await heightOf(laptop, to)) > 0)
    const old = await laneOf(laptop, from)
    assert.equal(old?.state, 'ended')
    assert.equal(old.heir, to)
    const first = await laptop.client.chainEntry(`1.0@${to}`)
    const last = await laptop.client.chainEntry(`${old.height}.0@${from}`)
    assert.equal(first.kind, 'key.rotated')
    assert.deepEqual(first.payload, last.payload)
    for (const name of ['laptop', 'server']) {
      const verified = await lab.weaver(name, 'chain', 'verify', '--full')
      assert.equal(verified.code, 0, verified.stdout + verified.stderr)
    }
    // Work goes both ways, and what is exported holds for whoever knows nothing of all this.
    await lab.done('laptop', 'run', '--on', 'server', '--', 'true')
    const file = join(lab.folder, 'all.weft')
    await lab.done('laptop', 'chain', 'export', '-o', file)
    const offline = await lab.weaver('nobody', 'verify', file)
    assert.equal(offline.code, 0, offline.stdout + offline.stderr)
  })

  it('a change that a crash interrupted is carried out by the next start, at whatever step it was', async () => {
    const [laptop, server] = await lab.pair()
    const oldKey = await readFile(join(server.home, 'identity.key'), 'utf8')
    const { from, to } = await server.client.rotateKey()
    // Asked for, and nothing done yet.
    await lab.kill('server')
    const again = await lab.start('server')
    assert.equal(await nodeIdOf(again), to)
    // All done but the exchange of the files: what was done is done once more, to the same end.
    await lab.kill('server')
    const newKey = await readFile(join(server.home, 'identity.key'), 'utf8')
    await writeFile(join(server.home, 'identity.next'), newKey, { mode: 0o600 })
    await writeFile(join(server.home, 'identity.key'), oldKey)
    assert.equal(await nodeIdOf(await lab.start('server')), to)
    await until(async () => (await laneOf(laptop, from))?.state === 'ended')
    await untilAlive(laptop, to)
    await lab.done('server', 'chain', 'verify', '--full')
    // The old key opens no door: a thief who brings it back is no member.
    await lab.done('server', 'kernel', 'stop')
    await writeFile(join(server.home, 'identity.key'), oldKey)
    const other = await lab.weaver('server', 'kernel', 'start')
    assert.notEqual(other.code, 0)
    assert.match(other.stderr, /identity\.key is not that of its node/)
    // Nor one who makes the home believe that it is the old key's.
    const headFile = join(server.home, 'store.head')
    const store = await LevelStore.open(join(server.home, 'store'), { headFile })
    await noteOwner(store, checkedId(from))
    await store.close()
    const stolen = await lab.weaver('server', 'kernel', 'start')
    assert.notEqual(stolen.code, 0)
    assert.match(stolen.stderr, /CHAIN_LANE_ENDED|handed over/)
  })

  it('with no other member in reach it waits under the old key, and says so', async () => {
    const [laptop, server] = await lab.pair()
    const { from, to } = await server.client.rotateKey()
    await lab.done('laptop', 'kernel', 'stop')
    await lab.done('server', 'kernel', 'stop')
    const alone = await lab.start('server')
    assert.equal(await nodeIdOf(alone), from)
    const refused = await lab.weaver('server', 'chain', 'rotate')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /none of the other members is connected/)
    await lab.start('laptop')
    await until(async () => (await alone.client.status()).mesh.connected > 0)
    await lab.done('server', 'chain', 'rotate')
    assert.equal(await nodeIdOf(alone), to)
    await untilAlive(laptop, to)
  })
})
