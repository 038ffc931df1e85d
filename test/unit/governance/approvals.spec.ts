import assert from 'node:assert/strict'
import { millis, pid } from '../../../core/index.ts'
import type { Millis } from '../../../core/index.ts'
import { Approvals, createGate } from '../../../governance/index.ts'
import type { Decision, Gate, GateRequest, MachineView } from '../../../governance/index.ts'
import { APPROVALS_OF_ONE_MAX } from '../../../governance/limits.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { silentLog } from '../../doubles/silent-log.ts'

const REQUEST: GateRequest = {
  principal: { kind: 'owner' },
  action: 'task.submit',
  resource: 'task:0123456789abcdef',
  context: { argv: ['deploy'], cwd: '/srv', envNames: ['TOKEN'], node: null },
  command: ['deploy', '--all'],
  environment: { TOKEN: 'one' }
}
const PLAIN: MachineView = {
  files: [{ path: '/bin/deploy', realPath: '/bin/deploy', device: 1, inode: 2, digest: 'aa' }],
  cwd: { realPath: '/srv', device: 1, inode: 9 }
}

interface Stage {
  readonly gate: Gate
  readonly approvals: Approvals
  readonly ledger: MemoryLedger
  readonly store: MemoryStore
  view: MachineView
  decision: Decision
  now: Millis
}

async function stage(store: MemoryStore = new MemoryStore(), node = 1): Promise<Stage> {
  const ledger = new MemoryLedger()
  const ask = { verdict: 'ask', rule: 'mine.deploys', hint: 'this deploys' } as const
  const made = { view: PLAIN, decision: ask as Decision, now: millis(0) }
  const clock = {
    now: () => made.now,
    wall: () => 1_800_000_000_000 as never,
    sleep: () => Promise.resolve()
  }
  const approvals = new Approvals(
    { ledger, store, clock, log: silentLog, look: async () => made.view },
    { self: testNode(node), name: () => 'laptop' }
  )
  await approvals.start()
  const gate = createGate({ ledger, policy: { decide: () => made.decision }, approvals })
  return Object.assign(made, { gate, approvals, ledger, store })
}

async function asked(gate: Gate, request = REQUEST): Promise<string> {
  const error = await gate.authorize(request).then(
    () => assert.fail('it was allowed'),
    (thrown: unknown) => thrown
  )
  assert.ok(error instanceof Error && 'code' in error)
  return String(error.code)
}

function settle({ approvals }: Stage, number: number, approve: boolean, by = 'user:local'): void {
  approvals.decision(number, { approve, hash: null, by })
  approvals.settle(number, approve, by)
}

const PENDING = 'GOVERNANCE_APPROVAL_PENDING'

describe('governance/approvals', () => {
  it('an act that asks waits, is recorded, and goes once it is approved: once (A1)', async () => {
    const made = await stage()
    assert.equal(await asked(made.gate), PENDING)
    assert.equal(await asked(made.gate), PENDING) // The same question is asked once.
    assert.deepEqual(made.ledger.kinds, ['policy.decision', 'approval.requested'])
    assert.ok(!JSON.stringify(made.ledger.entries).includes('one'), 'no value of a variable')
    settle(made, 1, true)
    const other = { ...REQUEST, resource: 'task:zzzzzzzzzzzzzzzz' } // A new id each time it is asked.
    const { rule } = await made.gate.authorize(other)
    assert.equal(rule, 'mine.deploys')
    assert.match(JSON.stringify(made.ledger.entries.at(-1)), /"approval":"1@laptop"/)
    assert.equal(await asked(made.gate), PENDING)
    assert.equal(made.approvals.list().at(-1)?.reference, '2@laptop')
  })

  it('a denial is told once, and is a denial', async () => {
    const made = await stage()
    await asked(made.gate)
    settle(made, 1, false)
    assert.equal(await asked(made.gate), 'GOVERNANCE_DENIED')
    assert.equal(await asked(made.gate), PENDING)
  })

  const changes: readonly (readonly [string, Partial<GateRequest>, Partial<MachineView>])[] = [
    ['an argument', { command: ['deploy', '--force'] }, {}],
    ['the value of a variable', { environment: { TOKEN: 'two' } }, {}],
    ['the folder', { context: { ...REQUEST.context, cwd: '/srv2' } }, {}],
    ['the containment', { context: { ...REQUEST.context, containment: 'none' } }, {}],
    ['the principal', { principal: { kind: 'member', nodeId: testNode(5) } }, {}],
    ['the bytes of the program', {}, { files: [{ ...PLAIN.files[0], digest: 'bb' } as never] }],
    ['the symlink to it', {}, { files: [{ ...PLAIN.files[0], realPath: '/tmp/x' } as never] }],
    ['the file at its place', {}, { files: [{ ...PLAIN.files[0], inode: 77 } as never] }],
    ['what the folder is', {}, { cwd: { realPath: '/srv', device: 1, inode: 10 } }]
  ]
  for (const [what, request, view] of changes) {
    it(`approved, then ${what} is swapped: the approval is not for it (A1)`, async () => {
      const made = await stage()
      await asked(made.gate)
      settle(made, 1, true)
      made.view = { ...PLAIN, ...view }
      assert.equal(await asked(made.gate, { ...REQUEST, ...request }), PENDING)
      assert.equal(made.approvals.show(1)?.state, 'approved')
      assert.equal(made.approvals.list().at(-1)?.reference, '2@laptop')
    })
  }

  it('what is swapped after the permit is refused where it starts', async () => {
    const made = await stage()
    await asked(made.gate)
    settle(made, 1, true)
    await made.gate.authorize(REQUEST)
    made.view = { ...PLAIN, cwd: null }
    await assert.rejects(made.approvals.confirm(REQUEST.resource), {
      code: 'GOVERNANCE_APPROVAL_CHANGED'
    })
    await made.approvals.confirm('task:another') // Nothing was approved for it, and nothing is compared.
  })

  it('the hash holds the node: an approval of one is for nothing on another', async () => {
    const [here, there] = [await stage(), await stage(new MemoryStore(), 2)]
    await asked(here.gate)
    await asked(there.gate)
    assert.notEqual(here.approvals.show(1)?.hash, there.approvals.show(1)?.hash)
    const hash = here.approvals.show(1)?.hash ?? ''
    assert.throws(() => there.approvals.decision(1, { approve: true, hash, by: 'user:local' }), {
      code: 'GOVERNANCE_APPROVAL_NOT_DECIDABLE'
    })
  })

  it('after the deadline it cannot be approved, and an approval is void', async () => {
    const made = await stage()
    await asked(made.gate)
    made.now = millis(10 * 60_000)
    assert.throws(() => settle(made, 1, true), { code: 'GOVERNANCE_APPROVAL_NOT_DECIDABLE' })
    assert.equal(await asked(made.gate), PENDING)
    settle(made, 2, true)
    made.now = millis(20 * 60_000)
    assert.equal(await asked(made.gate), PENDING)
    assert.equal(made.approvals.show(2)?.state, 'expired')
  })

  it('what is decided cannot be decided again, and what is not there not at all (A2)', async () => {
    const made = await stage()
    await asked(made.gate)
    settle(made, 1, false)
    assert.throws(() => settle(made, 1, true), { code: 'GOVERNANCE_APPROVAL_NOT_DECIDABLE' })
    assert.throws(() => settle(made, 9, true), { code: 'GOVERNANCE_APPROVAL_NOT_DECIDABLE' })
  })

  it('a restart denies what waited, says so in the lane, and uses no number again (A3, A4)', async () => {
    const before = await stage()
    await asked(before.gate)
    settle(before, 1, true)
    await asked(before.gate, { ...REQUEST, command: ['deploy', 'other'] })
    const after = await stage(before.store)
    assert.deepEqual(after.ledger.entries, [
      {
        kind: 'approval.decided',
        actor: `node:${testNode(1)}`,
        subject: 'approval:2@laptop',
        payload: { outcome: 'denied', why: 'the kernel was restarted' }
      }
    ])
    assert.equal(await asked(after.gate), PENDING, 'the unused approval is gone too')
    assert.ok((after.approvals.list().at(-1)?.number ?? 0) > 2)
  })

  it('an approval does not outweigh a rule that came later', async () => {
    const made = await stage()
    await asked(made.gate)
    settle(made, 1, true)
    made.decision = { verdict: 'deny', rule: 'mine.never', hint: 'no' }
    assert.equal(await asked(made.gate), 'GOVERNANCE_DENIED')
  })

  it('a request that cannot be recorded never was', async () => {
    const made = await stage()
    made.ledger.faults.push('not-done')
    assert.equal(await asked(made.gate), 'GOVERNANCE_UNRECORDED')
    assert.deepEqual(made.approvals.list(), [])
  })

  it('what cannot be looked at is denied', async () => {
    const made = await stage()
    const blind = new Approvals(
      {
        ledger: made.ledger,
        store: made.store,
        clock: { now: () => millis(0), wall: () => 0 as never, sleep: () => Promise.resolve() },
        log: silentLog,
        look: () => Promise.reject(new Error('it is too large'))
      },
      { self: testNode(1), name: () => 'laptop' }
    )
    const { ledger } = made
    const gate = createGate({ ledger, policy: { decide: () => made.decision }, approvals: blind })
    assert.equal(await asked(gate), 'GOVERNANCE_DENIED')
  })

  it('more than may wait are refused, for now', async () => {
    const made = await stage()
    const codes = new Set<string>()
    for (let number = 0; number < 257; number += 1) {
      codes.add(await asked(made.gate, { ...REQUEST, command: ['deploy', String(number)] }))
    }
    assert.deepEqual(codes, new Set([PENDING, 'GOVERNANCE_APPROVALS_FULL']))
  })

  it('one process or member fills no desk: its share is bounded, and others still ask', async () => {
    const made = await stage()
    const by = (number: number, line: string): GateRequest => ({
      ...REQUEST,
      principal: { kind: 'process', pid: pid(number) },
      action: 'process.exec',
      command: ['deploy', line]
    })
    for (let n = 0; n < APPROVALS_OF_ONE_MAX; n += 1) {
      assert.equal(await asked(made.gate, by(1, String(n))), PENDING)
    }
    assert.equal(await asked(made.gate, by(1, 'more')), 'GOVERNANCE_APPROVALS_FULL')
    assert.equal(await asked(made.gate, by(1, '0')), PENDING) // The same question is still the same.
    assert.equal(await asked(made.gate, by(2, 'other')), PENDING)
    assert.equal(await asked(made.gate), PENDING)
    settle(made, 1, false)
    assert.equal(await asked(made.gate, by(1, 'more')), PENDING)
  })

  it('an agent for another node is approved as it was asked for: no file of this machine is looked at', async () => {
    const made = await stage()
    const gpu = { vendor: 'nvidia', count: 2, memoryBytes: 24_000_000_000 }
    const spawn = (more: GateRequest['context']): GateRequest => ({
      ...REQUEST,
      action: 'agent.spawn',
      resource: 'agent:trainer',
      context: { ...REQUEST.context, node: testNode(2), gpu, restart: 'transient', ...more }
    })
    assert.equal(await asked(made.gate, spawn({})), PENDING)
    const view = made.approvals.show(1)
    assert.deepEqual(view?.files, [])
    const facts = `node ${testNode(2)}, gpu nvidia:2:24GB, restart transient`
    assert.deepEqual(view?.destinations, [`agent.spawn agent:trainer, ${facts}`])
    settle(made, 1, true)
    made.view = { ...PLAIN, files: [] }
    assert.equal(await asked(made.gate, spawn({ restart: 'permanent' })), PENDING)
    assert.equal(await asked(made.gate, spawn({ gpu: { ...gpu, count: 4 } })), PENDING)
    await made.gate.authorize(spawn({}))
  })

  it('authorizeAll() asks once for all, and starts nothing of it before (G4)', async () => {
    const made = await stage()
    const grant: GateRequest = {
      principal: { kind: 'owner' },
      action: 'fs.read',
      resource: 'path:/srv',
      context: {}
    }
    await assert.rejects(made.gate.authorizeAll([REQUEST, grant]), { code: PENDING })
    assert.deepEqual(made.approvals.show(1)?.destinations, [
      'task.submit task:0123456789abcdef',
      'fs.read path:/srv'
    ])
    settle(made, 1, true)
    const more = { kind: 'task.submitted', actor: 'user:local', subject: 'task:x', payload: null }
    const blocks = made.ledger.blocks
    const { decisions, entries, approval } = await made.gate.authorizeAll([REQUEST, grant], [more])
    assert.deepEqual([decisions.length, entries.length, approval], [2, 1, '1@laptop'])
    assert.equal(made.ledger.blocks, blocks + 1)
    made.decision = { verdict: 'deny', rule: 'mine.never', hint: 'no' }
    await assert.rejects(made.gate.authorizeAll([REQUEST, grant], [more]), {
      code: 'GOVERNANCE_DENIED'
    })
  })
})
