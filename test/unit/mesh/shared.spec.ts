// Goal: what an admin says once is so on every member, then and later, whoever is there; and nobody else's word is.
// Method: whole nodes on virtual time; hostile members speak the protocol by hand.

import assert from 'node:assert/strict'
import type { NodeId, Signer } from '../../../core/index.ts'
import { RowDocument } from '../../../mesh/documents/automerge.ts'
import { SharedDocument } from '../../../mesh/documents/shared-document.ts'
import { signBase } from '../../../mesh/documents/shared-step.ts'
import { SHARED_EPOCH_MAX } from '../../../mesh/limits.ts'
import type { SharedTable } from '../../../mesh/index.ts'
import { SeededEntropy } from '../../sim/world/seeded-entropy.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { Lab } from './lab.ts'
import type { Kernel } from './lab.ts'

describe('mesh: documents that several members write', () => {
  let lab: Lab
  let laptop: Kernel
  let desk: Kernel
  let server: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
    desk = await admin('desk')
    server = await lab.member(laptop, 'server')
  })

  async function admin(name: string): Promise<Kernel> {
    const kernel = await lab.boot(lab.home(name))
    await lab.join(kernel, await lab.invite(laptop, { role: 'admin' }))
    await lab.pass(3000)
    return kernel
  }

  const write = (at: Kernel, key: string, value: string | null): Promise<void> =>
    lab.settle(at.mesh.shared.edit('labels', new Map([[key, value]])))
  const table = (at: Kernel): SharedTable => at.mesh.shared.of('labels')

  /** A change as `signer` would make it, given to `to` by `from`. */
  async function give(from: Kernel, to: Kernel, signer: Signer): Promise<void> {
    const entropy = new SeededEntropy(new SeededPrng(7))
    const deps = { signer, clock: lab.clock, entropy, isAdmin: () => true }
    const mesh = to.mesh.meshId()
    assert(mesh !== null)
    const delta = new SharedDocument(deps, mesh, 'labels').edit(new Map([['by hand', '1']]))
    assert(delta !== null)
    from.mesh.rpc.notify(to.id, 'shared', 'push', { steps: [delta.bytes] })
    await lab.pass(100)
  }

  it('tells all of a write at once', async () => {
    const seen: string[] = []
    server.mesh.shared.onChange((document) => seen.push(document))
    await write(laptop, 'a', 'b')
    await lab.pass(20)
    assert.deepEqual({ ...table(desk) }, { a: 'b' })
    assert.deepEqual({ ...table(server) }, { a: 'b' })
    assert.deepEqual(seen, ['labels'])
    await write(desk, 'a', null)
    await lab.pass(20)
    assert.deepEqual({ ...table(laptop) }, {})
  })

  it('takes the word of admins alone', async () => {
    await assert.rejects(write(server, 'a', 'b'), { code: 'MESH_NOT_ADMIN' })
    await give(server, laptop, server.home.signer)
    await give(server, laptop, lab.home('a stranger').signer)
    assert.deepEqual({ ...table(laptop) }, {})
    // A member may bring what an admin signed: that is how those learn of it who were away.
    await give(server, laptop, desk.home.signer)
    assert.deepEqual({ ...table(laptop) }, { 'by hand': 1 })
  })

  it('refuses rows and documents of another form, and nodes without a mesh', async () => {
    await assert.rejects(write(laptop, '', 'x'), { code: 'MESH_ROW_INVALID' })
    await assert.rejects(write(laptop, '~a', 'x'), { code: 'MESH_ROW_INVALID' })
    await assert.rejects(write(laptop, 'a', 'x'.repeat(70_000)), { code: 'MESH_ROW_INVALID' })
    const alone = await lab.boot(lab.home('alone'))
    await assert.rejects(write(alone, 'a', 'b'), { code: 'MESH_NO_MESH' })
  })

  it('reaches a member that was away, from a member that did not write it, after its writer is gone', async () => {
    await lab.kill(server)
    await write(desk, 'a', 'b')
    await lab.kill(desk)
    server = await lab.boot(server.home)
    await lab.pass(5000)
    assert.deepEqual({ ...table(server) }, { a: 'b' })
  })

  it('is there after a start of everybody, and a failed write is not', async () => {
    await write(laptop, 'a', 'b')
    laptop.home.store.failNextWrite(new Error('the disk is full'))
    await assert.rejects(write(laptop, 'a', 'c'), /the disk is full/)
    assert.deepEqual({ ...table(laptop) }, { a: 'b' })
    for (const kernel of [laptop, desk, server]) await lab.kill(kernel)
    laptop = await lab.boot(laptop.home)
    await lab.pass(100)
    assert.deepEqual({ ...table(laptop) }, { a: 'b' })
    await write(laptop, 'c', 'd')
    desk = await lab.boot(desk.home)
    await lab.pass(5000)
    assert.deepEqual({ ...table(desk) }, { a: 'b', c: 'd' })
  })

  it('agrees after two admins wrote apart, bases included', async () => {
    lab.hub.cut(laptop.id, desk.id)
    lab.hub.cut(server.id, desk.id)
    for (let index = 0; index < 300; index++) await write(laptop, `l${index % 10}`, String(index))
    for (let index = 0; index < 300; index++) await write(desk, `d${index % 10}`, String(index))
    await write(laptop, 'both', 'laptop')
    await write(desk, 'both', 'desk')
    lab.hub.heal(laptop.id, desk.id)
    lab.hub.heal(server.id, desk.id)
    await lab.pass(20_000)
    assert.deepEqual(table(laptop), table(desk))
    assert.deepEqual(table(laptop), table(server))
    assert.equal(table(server)['l9'], '299')
    assert.equal(table(server)['d9'], '299')
  })

  it('keeps what an evicted admin wrote, also for who was away, and takes nothing more of it', async () => {
    await lab.kill(server)
    await write(desk, 'a', 'b')
    await lab.pass(20)
    await lab.settle(laptop.mesh.acts.evict(desk.id))
    await lab.pass(1000)
    server = await lab.boot(server.home)
    await lab.pass(5000)
    assert.deepEqual({ ...table(server) }, { a: 'b' })
    await give(server, laptop, desk.home.signer)
    assert.deepEqual({ ...table(laptop) }, { a: 'b' })
  })

  it('an evicted admin leaves no base behind that nobody can follow (9, 21)', async () => {
    await write(laptop, 'a', 'b')
    const mesh = laptop.mesh.meshId()
    assert(mesh !== null)
    for (const epoch of [Number.MAX_SAFE_INTEGER, SHARED_EPOCH_MAX]) {
      const whole = RowDocument.create('whoever')
      whole.edit(new Map([['poison', '"1"']]))
      const payload = whole.save()
      const body = { mesh, document: 'labels', kind: 'base', epoch, payload } as const
      const base = signBase(desk.home.signer, { ...body, author: desk.id })
      for (const to of [laptop, server]) {
        desk.mesh.rpc.notify(to.id, 'shared', 'push', { steps: [base.bytes] })
      }
      await lab.pass(500)
    }
    // Away while it is evicted, with its base.
    await lab.kill(server)
    await lab.settle(laptop.mesh.acts.evict(desk.id))
    await lab.pass(1000)
    for (let index = 0; index < 300; index++) await write(laptop, 'n', String(index))
    const late = await lab.member(laptop, 'late')
    server = await lab.boot(server.home)
    await lab.pass(20_000)
    await write(laptop, 'poison', null)
    await lab.pass(5000)
    for (const kernel of [laptop, late, server]) {
      assert.deepEqual({ ...table(kernel) }, { a: 'b', n: '299' }, kernel.home.name)
    }
  })

  it('writes nothing of a stale home over what is so now', async () => {
    const peers: readonly NodeId[] = [laptop.id, desk.id]
    await write(desk, 'a', 'old')
    await lab.pass(20)
    await lab.kill(desk)
    for (let index = 0; index < 300; index++) await write(laptop, 'a', String(index))
    desk = await lab.boot(desk.home)
    await lab.pass(5000)
    assert.deepEqual(
      peers.map((peer) => (peer === desk.id ? table(desk) : table(laptop))['a']),
      ['299', '299']
    )
  })
})
