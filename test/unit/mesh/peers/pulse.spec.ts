import assert from 'node:assert/strict'
import { unreachable } from '../../../../core/index.ts'
import type { NodeId } from '../../../../core/index.ts'
import { PULSE_INTERVAL_MS, PULSE_REST_MS } from '../../../../mesh/limits.ts'
import { Pulse } from '../../../../mesh/peers/pulse.ts'
import type { PulseOwner } from '../../../../mesh/peers/pulse.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { Lab } from '../lab.ts'
import type { Kernel } from '../lab.ts'

const REST_INTERVALS = PULSE_REST_MS / PULSE_INTERVAL_MS

describe('the pulse', () => {
  let lab: Lab
  let laptop: Kernel
  let server: Kernel

  beforeEach(async () => {
    lab = new Lab()
    laptop = await lab.founder('laptop')
    server = await lab.member(laptop, 'server')
    await lab.pass(10_000)
    laptop.heard.length = 0
  })

  it('comes every third second from a member that has nothing new to say (Q2)', async () => {
    await lab.pass(12 * PULSE_INTERVAL_MS)
    assert.equal(laptop.heard.length, 12 / REST_INTERVALS)
  })

  it('comes every second from one that has', async () => {
    for (let second = 0; second < 6; second++) {
      server.load = { load: second }
      await lab.pass(PULSE_INTERVAL_MS)
    }
    const loads = laptop.heard.map(([, value]) => value)
    assert.deepEqual(
      loads.slice(-5),
      [1, 2, 3, 4, 5].map((load) => ({ load }))
    )
  })

  it('says the same again to a member that has come back', async () => {
    await lab.kill(laptop)
    laptop = await lab.boot(laptop.home)
    await lab.pass(3000)
    assert.ok(laptop.heard.some(([peer]) => peer === server.id))
  })

  it('opens a new connection, also while the one before carries one that is unanswered (Q1)', async () => {
    const { pulse, calls } = unanswered(server.id)
    pulse.send([server.id])
    pulse.send([server.id])
    assert.equal(calls.length, 1)
    pulse.greet(server.id)
    assert.equal(calls.length, 2)
    calls[0]?.reject(new Error('the connection was lost'))
    await untilQuiet()
    pulse.send([server.id])
    assert.equal(calls.length, 3, 'one probe, and no pulse beside the one under way')
  })
})

/** A pulse whose calls nobody answers until the test does. */
function unanswered(peer: NodeId): {
  readonly pulse: Pulse
  readonly calls: PromiseWithResolvers<unknown>[]
} {
  const calls: PromiseWithResolvers<unknown>[] = []
  const call = (): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>()
    calls.push(answer)
    return answer.promise
  }
  const nothing = (): null => null
  const roster = {
    digest: new Uint8Array(),
    ids: () => [],
    statements: () => [],
    settled: async () => undefined,
    absorb: async () => 0
  }
  const deps = {
    clock: new VirtualClock(),
    log: silentLog,
    tasks: new Tasks(silentLog),
    rpc: { call, open: unreachable, notify: nothing, heardAt: nothing },
    roster,
    source: { collect: nothing, receive: nothing }
  }
  const owner: PulseOwner = {
    connectedPeers: () => [peer],
    vector: nothing,
    compare: nothing,
    shared: nothing,
    compareShared: nothing,
    measured: nothing,
    isDoubted: () => false,
    silent: nothing,
    farewell: nothing,
    farewellBody: nothing,
    swim: nothing,
    claim: nothing,
    duplicated: nothing,
    pinged: nothing,
    sponsored: nothing,
    delivered: async () => null,
    ticked: nothing,
    jumped: nothing
  }
  return { pulse: new Pulse(deps, owner), calls }
}
