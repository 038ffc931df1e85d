import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeCbor, pid } from '../../../core/index.ts'
import type { Cbor } from '../../../core/index.ts'
import { ACTIONS, createGate, DeniedError, ownerAndMembers } from '../../../governance/index.ts'
import type { Action, Gate, GateRequest, Policy } from '../../../governance/index.ts'
import { boundedContext } from '../../../governance/record.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { testNode } from '../../doubles/peer-directory.ts'

const member = { kind: 'member', nodeId: testNode(2) } as const
const stranger = { kind: 'stranger', nodeId: testNode(3) } as const
const request: GateRequest = {
  principal: { kind: 'owner' },
  action: 'task.submit',
  resource: 'task:0123456789abcdef',
  context: { argv: ['sh', '-c', 'echo hi'], cwd: null, envNames: ['PATH'] }
}

function bench(policy: Policy = ownerAndMembers): {
  readonly ledger: MemoryLedger
  readonly gate: Gate
} {
  const ledger = new MemoryLedger()
  return { ledger, gate: createGate({ ledger, policy }) }
}

/** Every key that any action needs. */
const everything = {
  pinned: true,
  change: 'set',
  argv: ['x'],
  cwd: null,
  envNames: [],
  epoch: 1,
  signal: 'SIGTERM',
  role: 'untrusted',
  signatures: 2,
  digest: '00',
  action: 'task.submit',
  requester: 'user:local',
  isOwnRequest: false,
  labels: ['tier=fast'],
  removed: ['site']
}

describe('governance/gate', () => {
  it('a permit exists only after its decision is durable (G1)', async () => {
    const { ledger, gate } = bench()
    const { promise, resolve } = Promise.withResolvers<void>()
    ledger.gate = promise
    let isPermitted = false
    const asking = gate.authorize(request).then(() => {
      isPermitted = true
      return null
    })
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    assert.equal(isPermitted, false)
    resolve()
    await asking
    assert.deepEqual(ledger.entries, [
      {
        kind: 'policy.decision',
        actor: 'user:local',
        subject: 'task:0123456789abcdef',
        payload: {
          action: 'task.submit',
          resource: 'task:0123456789abcdef',
          verdict: 'allow',
          rule: 'first.owner-may',
          hint: '',
          context: request.context
        }
      }
    ])
  })

  it('authorizeWith() puts the decision and what goes with it into one append', async () => {
    const { ledger, gate } = bench()
    const more = { kind: 'task.submitted', actor: 'user:local', subject: 'task:x', payload: null }
    const permit = await gate.authorizeWith(request, [more, more])
    assert.equal(ledger.blocks, 1)
    assert.deepEqual(
      permit.entries.map((entry) => entry.id),
      ['1', '2']
    )
    assert.equal(permit.decision.id, '0')
    assert.equal(permit.rule, 'first.owner-may')
  })

  it('a denial is recorded, and nothing that was to go with it (G3)', async () => {
    const { ledger, gate } = bench()
    const more = { kind: 'task.submitted', actor: 'user:local', subject: 'task:x', payload: null }
    await assert.rejects(gate.authorizeWith({ ...request, principal: stranger }, [more]), {
      code: 'GOVERNANCE_DENIED'
    })
    assert.deepEqual(ledger.kinds, ['policy.decision'])
  })

  it('a denial names the rule, the exact ask, and how to be granted', async () => {
    const { gate } = bench()
    const denied = await gate.authorize({ ...request, principal: stranger }).then(
      () => assert.fail('it was allowed'),
      (error: unknown) => error
    )
    assert.ok(denied instanceof DeniedError)
    assert.equal(
      denied.message,
      `Denied: stranger:${stranger.nodeId} may not delegate a task, task:0123456789abcdef: ` +
        "sh -c 'echo hi' (rule first.strangers-may-nothing)"
    )
    assert.equal(denied.detail['rule'], 'first.strangers-may-nothing')
    assert.match(String(denied.detail['hint']), /weaver mesh invite/)
  })

  it('a denial says in which role and image the command would have run', async () => {
    const { gate } = bench()
    const context = { ...request.context, role: 'coder', image: 'localhost/tools:1' }
    await assert.rejects(gate.authorize({ ...request, context, principal: stranger }), {
      code: 'GOVERNANCE_DENIED',
      message: / 'echo hi', in role coder and in image localhost\/tools:1 \(rule /
    })
  })

  const broken: readonly (readonly [string, unknown, string])[] = [
    ['an unknown action', { action: 'world.end' }, 'gate.unknown-action'],
    [
      'an action called like a property of every object',
      { action: 'constructor' },
      'gate.unknown-action'
    ],
    ['an unknown principal', { principal: { kind: 'root' } }, 'gate.unknown-principal'],
    [
      'a context that lacks what must be said',
      { context: { argv: ['x'] } },
      'gate.incomplete-request'
    ],
    ['no resource', { resource: '' }, 'gate.incomplete-request']
  ]
  for (const [what, more, rule] of broken) {
    it(`a request with ${what} is denied, and recorded (G2)`, async () => {
      const { ledger, gate } = bench()
      const asked = Object.assign({}, request, more)
      await assert.rejects(gate.authorize(asked), { code: 'GOVERNANCE_DENIED' })
      assert.equal(ledger.entries.length, 1)
      assert.match(
        JSON.stringify(ledger.entries[0]),
        new RegExp(`"verdict":"deny","rule":"${rule}"`)
      )
    })
  }

  it('a policy that throws, or answers nonsense, denies (G2)', async () => {
    const throwing = bench({
      decide: () => {
        throw new Error('division by zero')
      }
    })
    await assert.rejects(throwing.gate.authorize(request), { code: 'GOVERNANCE_DENIED' })
    assert.match(JSON.stringify(throwing.ledger.entries), /gate.policy-error.*division by zero/)
    for (const answer of [
      { verdict: 'maybe', rule: 'x', hint: '' },
      { verdict: 'allow', rule: '', hint: '' }
    ]) {
      const decide = (() => answer) as unknown as Policy['decide']
      await assert.rejects(bench({ decide }).gate.authorize(request), { code: 'GOVERNANCE_DENIED' })
    }
  })

  it('an act whose decision cannot be recorded is refused, even if it was recorded after all (G2)', async () => {
    const { ledger, gate } = bench()
    ledger.faults.push('not-done', 'done-but-failed')
    const unrecorded = { code: 'GOVERNANCE_UNRECORDED', retry: 'later' }
    await assert.rejects(gate.authorize(request), unrecorded)
    await assert.rejects(gate.authorize(request), unrecorded)
    await assert.rejects(
      createGate({ ledger: { record: async () => [] }, policy: ownerAndMembers }).authorize(
        request
      ),
      unrecorded
    )
  })

  it('values of environment variables never reach the record', () => {
    const context = {
      env: { TOKEN: 'hunter2' },
      spec: { Environment: { KEY: 'hunter2' }, list: [{ env: { A: 'hunter2' } }] },
      environ: 'hunter2'
    }
    const kept = JSON.stringify(boundedContext(context))
    assert.ok(!kept.includes('hunter2'), kept)
    assert.match(kept, /"envNames":\["KEY"\]/)
  })

  it('whatever the context, what is recorded of it is bounded', () => {
    const values: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.string({ maxLength: 9000, size: 'max' }),
        fc.boolean(),
        fc.integer(),
        fc.constant(null),
        fc.uint8Array({ maxLength: 100 }),
        fc.array(tie('value'), { maxLength: 300 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 50 })
      )
    })).value
    fc.assert(
      fc.property(fc.dictionary(fc.string(), values, { maxKeys: 50 }), (context) => {
        assert.ok(encodeCbor(boundedContext(context)).length <= 17 * 1024)
      }),
      { numRuns: 25 }
    )
    const huge = { text: Array.from({ length: 100 }, () => 'x'.repeat(4000)) }
    assert.match(JSON.stringify(boundedContext(huge)), /"isCut":true,.*"digest":"[0-9a-f]{64}"/)
  })
})

describe('governance/policy', () => {
  const actions = Object.keys(ACTIONS) as Action[]
  const shared: readonly Action[] = [
    'agent.spawn',
    'agent.stop',
    'blob.get',
    'process.attach',
    'process.signal',
    'process.spawn',
    'task.accept',
    'task.cancel',
    'task.signal',
    'tool.call',
    'tool.use'
  ]

  for (const action of actions) {
    it(`${action}: the owner may, members ${shared.includes(action) ? 'may' : 'may not'}, others may not`, async () => {
      const { gate } = bench()
      const asked = { action, resource: 'x:y', context: everything }
      const may = async (principal: GateRequest['principal']): Promise<boolean> =>
        gate.authorize({ ...asked, principal }).then(
          () => true,
          (error: unknown) => {
            assert.ok(error instanceof DeniedError)
            assert.notEqual(error.detail['hint'], '')
            return false
          }
        )
      assert.equal(await may({ kind: 'owner' }), true)
      assert.equal(await may(member), shared.includes(action))
      assert.equal(await may(stranger), false)
      assert.equal(await may({ kind: 'stranger', nodeId: null }), false)
      assert.equal(await may({ kind: 'process', pid: pid(3) }), false)
    })
  }
})
