import assert from 'node:assert/strict'
import fc from 'fast-check'
import { millis } from '../../../../core/index.ts'
import { DIALS_AT_ONCE_MAX } from '../../../../mesh/limits.ts'
import { decideDials, dialDelay, INITIAL_DIALLER } from '../../../../mesh/peers/dialler.ts'
import type { DialEvent, DiallerState } from '../../../../mesh/peers/dialler.ts'
import { testSigner } from '../lab.ts'

const peers = Array.from({ length: 12 }, (_, index) => testSigner(`peer-${index}`).nodeId)
const [peer] = peers
assert.ok(peer !== undefined)

describe('mesh/peers: the dialler', () => {
  it('dials a new member at once, and again after 0.2 s doubling to 2.5 s (D2)', () => {
    let { state, dial } = decideDials(
      INITIAL_DIALLER,
      { kind: 'added', peer, courtesyMs: millis(0) },
      millis(0)
    )
    assert.deepEqual(dial, [peer])
    const waits: number[] = []
    let now = 0
    for (let attempt = 0; attempt < 9; attempt++) {
      const failed = decideDials(state, { kind: 'failed', peer, jitter: 1 }, millis(now))
      assert.deepEqual(failed.dial, [])
      assert.ok(failed.wakeAt !== null)
      waits.push(failed.wakeAt - now)
      now = failed.wakeAt
      const due = decideDials(failed.state, { kind: 'tick' }, millis(now))
      assert.deepEqual(due.dial, [peer])
      state = due.state
    }
    assert.deepEqual(waits, [400, 800, 1600, ...Array.from({ length: 6 }, () => 2500)])
    assert.equal(dialDelay(0, 0), 100)
    assert.equal(dialDelay(1e6, 0), 1250)
  })

  it('starts anew at a hint of life and at a clock jump (D3)', () => {
    const failed = run(
      [
        { kind: 'added', peer, courtesyMs: millis(0) },
        { kind: 'failed', peer, jitter: 0 }
      ],
      0
    )
    assert.deepEqual(decideDials(failed, { kind: 'jumped' }, millis(1)).dial, [peer])
    const hint = { kind: 'hint', peer, courtesyMs: millis(50) } as const
    const hinted = decideDials(failed, hint, millis(1))
    assert.deepEqual([hinted.dial, hinted.wakeAt], [[], 51])
    // Whoever hints again and again puts nothing off.
    const again = decideDials(hinted.state, hint, millis(40))
    assert.equal(again.wakeAt, 51)
    assert.deepEqual(decideDials(again.state, { kind: 'tick' }, millis(51)).dial, [peer])
  })

  it('waits for the courtesy with a member that is new to the mesh, and dials it then (D3)', () => {
    const added = { kind: 'added', peer, courtesyMs: millis(100) } as const
    const waiting = decideDials(INITIAL_DIALLER, added, millis(0))
    assert.deepEqual([waiting.dial, waiting.wakeAt], [[], 100])
    assert.deepEqual(decideDials(waiting.state, { kind: 'tick' }, millis(100)).dial, [peer])
    const met = decideDials(waiting.state, { kind: 'connected', peer }, millis(50))
    assert.deepEqual([met.dial, met.wakeAt], [[], null])
  })

  it('leaves a connected peer alone until its connection is lost', () => {
    const state = run(
      [
        { kind: 'added', peer, courtesyMs: millis(0) },
        { kind: 'connected', peer },
        { kind: 'failed', peer, jitter: 0 },
        { kind: 'jumped' },
        { kind: 'tick' }
      ],
      0
    )
    assert.deepEqual(state.peers.get(peer), { kind: 'connected' })
    const lost = decideDials(state, { kind: 'lost', peer, jitter: 0 }, millis(0))
    assert.equal(lost.wakeAt, 100)
  })

  it('begins no dial once halted, and forgets what is removed', () => {
    const halted = run([{ kind: 'halted' }, { kind: 'added', peer, courtesyMs: millis(0) }], 0)
    const later = decideDials(halted, { kind: 'tick' }, millis(1e6))
    assert.deepEqual([later.dial, later.wakeAt], [[], null])
    const removed = run([{ kind: 'removed', peer }], 0, halted)
    assert.equal(removed.peers.size, 0)
  })

  it('never gives a member up, and never dials more than its limit at once (D1, D4)', () => {
    const event = fc.record({
      kind: fc.constantFrom('added', 'connected', 'hint', 'lost', 'failed', 'jumped', 'tick'),
      peer: fc.constantFrom(...peers),
      jitter: fc.double({ min: 0, max: 0.999, noNaN: true }),
      courtesyMs: fc.constantFrom(millis(0), millis(300)),
      wait: fc.nat(20_000)
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        let state: DiallerState = INITIAL_DIALLER
        const added = new Set<string>()
        const underWay = new Set<string>()
        let now = 0
        for (const { wait, ...each } of events) {
          now += wait
          if (each.kind === 'added') added.add(each.peer)
          if (each.kind === 'failed' && !underWay.delete(each.peer)) continue
          const decision = decideDials(state, each, millis(now))
          state = decision.state
          for (const dialled of decision.dial) underWay.add(dialled)
          const phases = [...state.peers.values()]
          const dialling = phases.filter(({ kind }) => kind === 'dialling').length
          assert.ok(dialling <= DIALS_AT_ONCE_MAX)
          assert.deepEqual(new Set(state.peers.keys()), added)
          const isWaiting = phases.some(({ kind }) => kind === 'waiting')
          const isFull = dialling === DIALS_AT_ONCE_MAX
          assert.ok(!isWaiting || isFull || decision.wakeAt !== null, 'somebody would wait forever')
        }
      })
    )
  })
})

function run(events: readonly DialEvent[], at: number, state = INITIAL_DIALLER): DiallerState {
  return events.reduce((current, event) => decideDials(current, event, millis(at)).state, state)
}
