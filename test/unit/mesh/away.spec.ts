// Goal: a member that was away for an hour and is back at another address is connected within five seconds,
// whoever of the two moved, and leaves no trail of addresses. Method: whole nodes on virtual time.

import assert from 'node:assert/strict'
import { STALE_ADDRESSES_MAX } from '../../../mesh/paths/limits.ts'
import { Lab } from './lab.ts'
import type { Kernel } from './lab.ts'

const HOUR = 3_600_000
const PROMISED_MS = 5000

describe('mesh: away for an hour, and back elsewhere', () => {
  let lab: Lab
  let laptop: Kernel
  let server: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
    server = await lab.member(laptop, 'server')
  })

  const isConnected = (of: Kernel, to: Kernel): boolean => of.mesh.peer(to.id)?.isConnected === true

  for (const who of ['laptop', 'server'] as const) {
    it(`finds its mesh again when ${who} was switched off and has another address`, async () => {
      const gone = who === 'laptop' ? laptop : server
      const stays = who === 'laptop' ? server : laptop
      await lab.kill(gone)
      await lab.pass(HOUR)
      const back = await lab.boot(gone.home, '/ip4/10.9.9.9/tcp/4001')
      await lab.pass(PROMISED_MS)
      assert.ok(isConnected(back, stays) && isConnected(stays, back))
      assert.equal(stays.mesh.peer(back.id)?.addresses.includes('/ip4/10.9.9.9/tcp/4001'), true)
    })

    it(`is dialled again when ${who} was cut off and the other side has to do it`, async () => {
      const gone = who === 'laptop' ? laptop : server
      const stays = who === 'laptop' ? server : laptop
      lab.hub.cut(laptop.id, server.id)
      await lab.pass(HOUR)
      assert.equal(isConnected(stays, gone), false)
      gone.network.isMute = true
      lab.hub.heal(laptop.id, server.id)
      await lab.pass(PROMISED_MS)
      assert.ok(isConnected(gone, stays) && isConnected(stays, gone))
    })
  }

  it('brings two together that have both moved, by a third that has not', async () => {
    const desk = await lab.member(laptop, 'desk')
    await lab.kill(laptop)
    await lab.kill(server)
    await lab.pass(HOUR)
    const first = await lab.boot(laptop.home, '/ip4/10.9.9.8/tcp/4001')
    const second = await lab.boot(server.home, '/ip4/10.9.9.9/tcp/4001')
    await lab.pass(PROMISED_MS)
    assert.ok(isConnected(first, second) && isConnected(first, desk) && isConnected(second, desk))
  })

  it('keeps of a member that moves every day its last places, and no trail', async () => {
    for (let day = 1; day <= 12; day++) {
      await lab.kill(server)
      await lab.pass(60_000)
      server = await lab.boot(server.home, `/ip4/10.8.0.${day}/tcp/4001`)
      await lab.pass(PROMISED_MS)
      assert.ok(isConnected(laptop, server), `day ${day}`)
    }
    const known = laptop.mesh.peer(server.id)?.addresses ?? []
    assert.equal(known.includes('/ip4/10.8.0.12/tcp/4001'), true)
    assert.equal(known.includes('/ip4/10.8.0.1/tcp/4001'), false)
    assert.ok(known.length <= STALE_ADDRESSES_MAX + 2, known.join(' '))
  })
})
