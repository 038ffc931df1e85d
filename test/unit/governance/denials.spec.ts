// Goal: whoever is refused cannot fill the lane, and no denial goes untold. Method: floods of every shape, on virtual
// time, and the sum of what the lane says compared with what was asked.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { z } from 'zod'
import { millis, pid } from '../../../core/index.ts'
import { createGate, Denials } from '../../../governance/index.ts'
import type { Gate, GateRequest } from '../../../governance/index.ts'
import {
  DENIAL_KINDS_MAX,
  DENIAL_PRINCIPALS_MAX,
  DENIAL_WINDOW_MAX_MS,
  DENIAL_WINDOW_MS,
  DENIALS_ALONE_MAX
} from '../../../governance/limits.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

const counted = z.object({
  denials: z.number(),
  same: z.array(z.object({ resource: z.string(), count: z.number() })),
  others: z.array(z.object({ action: z.string(), count: z.number() }))
})

describe('governance/denials', () => {
  let clock: VirtualClock
  let ledger: MemoryLedger
  let denials: Denials
  let gate: Gate

  beforeEach(() => {
    clock = new VirtualClock()
    ledger = new MemoryLedger()
    denials = new Denials({ ledger, clock, log: silentLog })
    gate = createGate({
      ledger,
      denials,
      policy: { decide: () => ({ verdict: 'deny', rule: 'mine.no', hint: '' }) }
    })
  })

  function request(resource: string, node = 1): GateRequest {
    const principal = { kind: 'member', nodeId: testNode(node) } as const
    return { principal, action: 'blob.get', resource, context: {} }
  }

  async function refused(asked: GateRequest): Promise<void> {
    await assert.rejects(gate.authorize(asked), { code: 'GOVERNANCE_DENIED' })
  }

  /** What the lane tells: denials by themselves, and those in counts, which must add up. */
  function told(): { readonly alone: number; readonly counted: number; readonly entries: number } {
    const alone = ledger.entries.filter(({ kind }) => kind === 'policy.decision').length
    let sum = 0
    for (const { kind, payload } of ledger.entries) {
      if (kind !== 'policy.repeated') continue
      const { denials: count, same, others } = counted.parse(payload)
      assert.equal(
        [...same, ...others].reduce((total, row) => total + row.count, 0),
        count
      )
      sum += count
    }
    return { alone, counted: sum, entries: ledger.entries.length }
  }

  async function pass(ms: number): Promise<void> {
    clock.advanceTo(millis(clock.now() + ms))
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
  }

  it('the same denial is recorded once, then counted, and the count is told in time (G3)', async () => {
    for (let at = 0; at < 1000; at += 1) await refused(request('blob:a'))
    await refused(request('blob:b'))
    assert.deepEqual(told(), { alone: 2, counted: 0, entries: 2 })
    await pass(DENIAL_WINDOW_MS)
    assert.deepEqual(told(), { alone: 2, counted: 999, entries: 3 })
    assert.deepEqual(ledger.entries.at(-1), {
      kind: 'policy.repeated',
      actor: `node:${testNode(1)}`,
      subject: `node:${testNode(1)}`,
      payload: {
        denials: 999,
        overMs: DENIAL_WINDOW_MS,
        same: [{ action: 'blob.get', resource: 'blob:a', rule: 'mine.no', count: 999 }],
        others: []
      }
    })
  })

  it('asking for ever new things adds a bounded number of entries (D2)', async () => {
    const hour = 3_600_000
    let asked = 0
    for (let at = 0; at < 24 * 60; at += 1) {
      for (let each = 0; each < 10; each += 1) await refused(request(`blob:${(asked += 1)}`))
      await pass((24 * hour) / (24 * 60))
    }
    await denials.stop()
    const { alone, counted: sum, entries } = told()
    assert.equal(alone + sum, asked)
    assert.ok(
      entries < 34 * (24 + Math.log2(DENIAL_WINDOW_MAX_MS / DENIAL_WINDOW_MS) + 2),
      `${entries}`
    )
  })

  it('what differs in anything is not the same, and nobody is counted for another', async () => {
    await refused(request('blob:a'))
    await refused(request('blob:a', 2))
    await refused({ ...request('blob:a'), context: { epoch: 2 } })
    await refused({ ...request('blob:a'), action: 'memory.read' })
    assert.equal(told().alone, 4)
  })

  it('is quiet again: the next denial is told by itself', async () => {
    await refused(request('blob:a'))
    await refused(request('blob:a'))
    await pass(DENIAL_WINDOW_MS)
    await pass(2 * DENIAL_WINDOW_MS)
    await refused(request('blob:a'))
    assert.equal(told().alone, 2)
  })

  it('a stop tells what is counted, and may come twice', async () => {
    await refused(request('blob:a'))
    await refused(request('blob:a'))
    await denials.stop()
    await denials.stop()
    assert.deepEqual(told(), { alone: 1, counted: 1, entries: 2 })
  })

  it('more principals than it tells apart share one place, and are counted all the same', async () => {
    const count = DENIAL_PRINCIPALS_MAX + 200
    for (let at = 0; at < count; at += 1) {
      await refused({ ...request('blob:a'), principal: { kind: 'process', pid: pid(at + 1) } })
    }
    await denials.stop()
    const { alone, counted: sum } = told()
    assert.equal(alone + sum, count)
    assert.ok(alone <= DENIAL_PRINCIPALS_MAX + DENIALS_ALONE_MAX)
  })

  it('loses none, whatever comes in whatever order (D1)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            node: fc.integer({ min: 1, max: 3 }),
            what: fc.integer({ min: 0, max: 2 * (DENIALS_ALONE_MAX + DENIAL_KINDS_MAX) }),
            waitMs: fc.integer({ min: 0, max: DENIAL_WINDOW_MS })
          }),
          { maxLength: 200 }
        ),
        async (asks) => {
          ledger.entries.splice(0)
          for (const { node, what, waitMs } of asks) {
            await refused(request(`blob:${what}`, node))
            if (what % 3 === 0) await pass(waitMs)
          }
          await denials.stop()
          const { alone, counted: sum } = told()
          assert.equal(alone + sum, asks.length)
          denials = new Denials({ ledger, clock, log: silentLog })
          gate = createGate({
            ledger,
            denials,
            policy: { decide: () => ({ verdict: 'deny', rule: 'mine.no', hint: '' }) }
          })
        }
      ),
      { numRuns: 30 }
    )
  })
})
