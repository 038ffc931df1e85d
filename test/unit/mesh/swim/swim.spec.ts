import assert from 'node:assert/strict'
import { millis } from '../../../../core/index.ts'
import type { Millis } from '../../../../core/index.ts'
import { Swim } from '../../../../mesh/swim/swim.ts'
import { Fleet } from '../../../sim/world/fleet.ts'
import { SeededPrng } from '../../../sim/world/seeded-prng.ts'

describe('mesh/swim: who is alive', () => {
  it('calls a killed process suspect at once and dead in 0.6 s, everywhere (W1)', () => {
    const fleet = new Fleet({ count: 5, seed: 1 })
    fleet.pass(5000)
    const at = fleet.clock.now()
    fleet.kill('n3', true)
    fleet.pass(5000)
    assert.equal(fleet.seenByAll('n3', 'suspect', at), 0)
    assert.ok((fleet.seenByAll('n3', 'dead', at) ?? Infinity) <= 600)
  })

  it('calls a silent machine dead no later than serf does, and not before it could refute', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const fleet = new Fleet({ count: 5, seed })
      fleet.pass(5000)
      const at = fleet.clock.now()
      fleet.kill('n3', false)
      fleet.pass(40_000)
      const took = fleet.seenByAll('n3', 'dead', at)
      assert.ok(took !== null && took >= 4000 && took <= 12_000, `seed ${seed}: ${took}`)
    }
  })

  it('declares no live node dead at 5 % loss, with delay, duplicates and reordering', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const fleet = new Fleet({
        count: 30,
        seed,
        lossPercent: 5,
        duplicatePercent: 5,
        delayMs: [5, 200]
      })
      fleet.pass(300_000)
      const dead = fleet.observations.filter(({ state }) => state === 'dead')
      assert.deepEqual(dead, [], `seed ${seed}`)
    }
  })

  it('finds a way around a broken path between two: indirect probes', () => {
    const fleet = new Fleet({ count: 6, seed: 3 })
    fleet.cut('n0', 'n1')
    fleet.cut('n1', 'n0')
    fleet.pass(120_000)
    assert.deepEqual(
      fleet.observations.filter(({ state }) => state === 'dead'),
      []
    )
  })

  it('forgives a node that was stopped for 3 s, and the node forgives all others (W5)', () => {
    const fleet = new Fleet({ count: 8, seed: 4 })
    fleet.pass(5000)
    fleet.pause('n2', 3000)
    fleet.pass(60_000)
    const dead = fleet.observations.filter(({ state }) => state === 'dead')
    assert.deepEqual(dead, [])
    const byIt = fleet.observations.filter(({ by }) => by === 'n2')
    assert.ok(
      byIt.every(({ state }) => state === 'alive'),
      'it suspected nobody for its own pause'
    )
  })

  it('degrades itself while its timers are late, and recovers', () => {
    const fleet = new Fleet({ count: 8, seed: 4 })
    fleet.pass(3000)
    for (let round = 0; round < 10; round++) {
      fleet.pause('n2', 1500)
      fleet.pass(1600)
    }
    assert.ok(fleet.healthScore('n2') > 0)
    fleet.pass(60_000)
    assert.equal(fleet.healthScore('n2'), 0)
  })

  it('is refuted by a restarted node, whatever was said of its run before', () => {
    const fleet = new Fleet({ count: 5, seed: 5 })
    fleet.pass(3000)
    fleet.kill('n3', true)
    fleet.pass(10_000)
    fleet.restart('n3')
    const at = fleet.clock.now()
    fleet.pass(20_000)
    for (const name of ['n0', 'n1', 'n2', 'n4']) assert.equal(fleet.state(name, 'n3'), 'alive')
    const later = fleet.observations.filter((each) => each.at > at && each.state === 'dead')
    assert.deepEqual(later, [])
  })

  it('agrees again within 30 s of the end of a split', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const fleet = new Fleet({ count: 10, seed })
      const [some, rest] = [fleet.names.slice(0, 4), fleet.names.slice(4)]
      for (const a of some) {
        for (const b of rest) {
          fleet.cut(a, b)
          if (seed % 2 === 0) fleet.cut(b, a) // Odd seeds: one way only.
        }
      }
      fleet.pass(60_000)
      fleet.heal()
      // The dialler's work: whoever is unreachable is dialled until it answers.
      for (const name of fleet.names) fleet.reconnect(name)
      fleet.pass(30_000)
      for (const a of fleet.names) {
        for (const b of fleet.names) {
          if (a !== b) assert.equal(fleet.state(a, b), 'alive', `seed ${seed}: ${a} of ${b}`)
        }
      }
    }
  })

  it('believes no number that an accuser makes up, and no claim of death about a neighbour (W2, W3)', () => {
    const fleet = new Fleet({ count: 8, seed: 7 })
    fleet.pass(3000)
    const lies = [2 ** 50, 0].map((incarnation) => ({
      node: 'n5',
      state: 'dead' as const,
      incarnation,
      by: 'n1'
    }))
    const message = { kind: 'gossip', sequence: 0, target: null, isClosed: false } as const
    for (const to of fleet.names) {
      if (to !== 'n1') fleet.inject('n1', to, { ...message, rumours: lies })
    }
    fleet.pass(60_000)
    const dead = fleet.observations.filter(({ state }) => state === 'dead')
    assert.deepEqual(dead, [])
    for (const by of fleet.names) {
      if (by !== 'n5') assert.equal(fleet.state(by, 'n5'), 'alive')
    }
    assert.ok(fleet.incarnation('n5') < 10)
  })

  for (const [what, silentFrom] of [
    ['doubts nobody who sends something, whatever it is (W6)', Infinity],
    ['doubts and buries one that has fallen silent, as soon as ever (W6)', 10_000]
  ] as const) {
    it(what, () => {
      let now = millis(0)
      const states: [state: string, at: Millis][] = []
      // It answers nothing, ever; and was heard half a second ago.
      const heardAt = (): Millis => millis(Math.min(silentFrom, Math.max(0, now - 500)))
      const swim = new Swim(
        { prng: new SeededPrng(1), isConnected: () => true, heardAt },
        { self: 'n0', incarnation: 1, initial: 'alive' }
      )
      const nodes = { list: ['n0', 'n1'], set: new Set(['n0', 'n1']) }
      for (let effects = swim.setMembers(nodes, now); now < 60_000; effects = swim.tick(now)) {
        for (const each of effects) if (each.kind === 'changed') states.push([each.state, now])
        now = millis(Math.max(now + 1, swim.nextAt() ?? Infinity))
      }
      if (silentFrom === Infinity) return assert.deepEqual(states, [])
      assert.deepEqual(
        states.map(([state]) => state),
        ['suspect', 'dead']
      )
      const [suspected = 0, died = 0] = states.map(([, at]) => at - silentFrom)
      assert.ok(suspected <= 3000 && died <= 8000, `after ${suspected} and ${died} ms`)
    })
  }

  it('does not bury for what others say whom it hears itself (W6)', () => {
    let now = millis(0)
    const dead: Millis[] = []
    let isSilent = false
    const swim = new Swim(
      {
        prng: new SeededPrng(1),
        isConnected: () => true,
        heardAt: () => (isSilent ? millis(30_000) : now)
      },
      { self: 'n0', incarnation: 1, initial: 'alive' }
    )
    const nodes = { list: ['n0', 'n1', 'n2'], set: new Set(['n0', 'n1', 'n2']) }
    swim.setMembers(nodes, now)
    const rumours = [{ node: 'n1', state: 'suspect', incarnation: 0, by: 'n2' }] as const
    const kinds = { kind: 'gossip', sequence: 0, target: null, isClosed: false } as const
    swim.receive('n2', { ...kinds, rumours }, now)
    assert.equal(swim.state('n1'), 'suspect', 'it is not for us to refute it')
    while (now < 90_000) {
      now = millis(Math.max(now + 1, swim.nextAt() ?? Infinity))
      isSilent = now > 30_000
      for (const each of swim.tick(now)) {
        if (each.kind === 'changed' && each.node === 'n1' && each.state === 'dead') dead.push(now)
      }
    }
    assert.equal(dead.length, 1)
    assert.ok((dead[0] ?? 0) > 30_000, `${dead[0]}`)
  })

  it('gives a node that is new the word of those that live, and of no others', () => {
    const list = ['n0', 'n1', 'n2', 'n3', 'n4']
    const swim = new Swim(
      { prng: new SeededPrng(1), isConnected: () => true },
      { self: 'n0', incarnation: 7, initial: 'suspect' }
    )
    swim.setMembers({ list, set: new Set(list) }, millis(0))
    const gossip = { kind: 'gossip', sequence: 0, target: null, isClosed: false } as const
    const words = ['n1', 'n2'].map((node) => {
      return { node, state: 'alive', incarnation: 5, by: node } as const
    })
    swim.receive('n1', { ...gossip, rumours: words }, millis(1))
    swim.goes('n2', millis(2))
    const told = swim.connected('n4', millis(3)).flatMap((each) => {
      return each.kind === 'send' && each.to === 'n4' && each.message.kind === 'gossip'
        ? each.message.rumours.filter(({ by }) => by !== 'n0')
        : []
    })
    assert.deepEqual(told[0], words[0])
    assert.ok(told.every(({ node }) => node !== 'n3' && node !== 'n4'))
    // It has spoken, and comes back later: it knows.
    const own = { node: 'n4', state: 'alive', incarnation: 3, by: 'n4' } as const
    swim.receive('n4', { ...gossip, rumours: [own] }, millis(4))
    swim.lost('n4', true, millis(5))
    const kinds = swim.connected('n4', millis(6)).flatMap((each) => {
      return each.kind === 'send' && each.to === 'n4' ? [each.message.kind] : []
    })
    assert.deepEqual(kinds, ['ping'])
  })

  it('costs about two messages a second and node at rest, whatever the size', () => {
    for (const count of [10, 100]) {
      const fleet = new Fleet({ count, seed: 6 })
      fleet.pass(10_000)
      fleet.messages = 0
      fleet.pass(60_000)
      const each = fleet.messages / count / 60
      assert.ok(each > 1.5 && each < 2.2, `${count} nodes: ${each}`)
    }
  })
})
