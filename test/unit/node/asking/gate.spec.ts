// Goal: whatever has a process for its principal gets what it holds, what policy permits it, and nothing that any
// of those above it would not get (Q1, Q2, Q3).

import assert from 'node:assert/strict'
import {
  DEFAULT_SANDBOX,
  epoch,
  formatGrant,
  parseGrant,
  pid,
  taskId
} from '../../../../core/index.ts'
import type { TaskId } from '../../../../core/index.ts'
import { ACTIONS, createGate } from '../../../../governance/index.ts'
import type { Action, Gate, GateRequest } from '../../../../governance/index.ts'
import { askingGate } from '../../../../node/asking/gate.ts'
import { RightsBook } from '../../../../node/asking/rights.ts'
import { MemoryLedger } from '../../../doubles/ledger.ts'
import { testNode } from '../../../doubles/peer-directory.ts'

const self = testNode(1)
const TASK = taskId('0123456789abcdef')
const START = { argv: ['make'], cwd: null, envNames: [], containment: 'os', grants: [], node: self }

interface Stage {
  readonly gate: Gate
  readonly book: RightsBook
  readonly ledger: MemoryLedger
  readonly asked: string[]
  /** `<action> by <pid>` that policy denies. */
  readonly denied: Set<string>
  objection: string | null
  onDecision: () => void
}

function stage(): Stage {
  const book = new RightsBook({ self })
  const ledger = new MemoryLedger()
  const asked: string[] = []
  const denied = new Set<string>()
  const made = { objection: null as string | null, onDecision: (): void => undefined }
  const decide = ({ principal, action }: GateRequest) => {
    const text = `${action} by ${principal.kind === 'process' ? principal.pid : principal.kind}`
    asked.push(text)
    made.onDecision()
    return denied.has(text)
      ? ({ verdict: 'deny', rule: 'test.no', hint: 'no' } as const)
      : ({ verdict: 'allow', rule: 'test.yes', hint: '' } as const)
  }
  const children = {
    submitted: async (id: TaskId, owner: number) => book.submitted(id, pid(owner)),
    notSubmitted: (id: TaskId) => book.forgetTask(id),
    isOwnAgent: (owner: number, name: string) => owner === 1 && name === 'mine'
  }
  const authority = { objection: async () => made.objection }
  const inner = createGate({ ledger, policy: { decide } })
  const gate = askingGate(
    {
      gate: inner,
      book,
      authority,
      children,
      nameOf: (node) => (node === self ? 'here' : 'there')
    },
    { self }
  )
  return Object.assign(made, { gate, book, ledger, asked, denied })
}

function begin(made: Stage, number: number, grants: readonly string[], parent?: number): void {
  const sandbox = { ...DEFAULT_SANDBOX, role: 'devops', grants: grants.map(parseGrant) }
  const requester = parent === undefined ? 'user:local' : `process:${parent}`
  made.book.begin(
    { pid: pid(number), command: ['x'], env: {}, cwd: null, sandbox, io: null },
    { pid: pid(number), name: `a${number}`, requester }
  )
}

function by(number: number, action: Action, resource: string, context: object = {}): GateRequest {
  return {
    principal: { kind: 'process', pid: pid(number) },
    action,
    resource,
    context: { ...context }
  }
}

const call = (number: number): GateRequest =>
  by(number, 'tool.call', 'tool:hash', { containment: 'os' })

describe('node/asking/gate', () => {
  let made: Stage
  beforeEach(() => {
    made = stage()
    begin(made, 1, [
      'tool:hash',
      'exec:make',
      'delegate:there',
      'spawn',
      'fs.read:/srv',
      'secret:A'
    ])
  })

  async function refused(request: GateRequest, rule: RegExp): Promise<void> {
    made.ledger.entries.splice(0)
    made.asked.splice(0)
    await assert.rejects(made.gate.authorize(request), (error: Error) => rule.test(error.message))
    assert.match(JSON.stringify(made.ledger.entries), /"verdict":"deny"/) // Q3
  }

  it('asks for the process and for all above it, and one denial is enough (Q2)', async () => {
    begin(made, 2, ['tool:hash', 'spawn'], 1)
    begin(made, 3, ['tool:hash'], 2)
    await made.gate.authorize(call(3))
    assert.deepEqual(made.asked, ['tool.call by 3', 'tool.call by 2', 'tool.call by 1'])
    for (const above of [1, 2, 3]) {
      made.denied.clear()
      made.denied.add(`tool.call by ${above}`)
      await refused(call(3), /test\.no/)
    }
    made.denied.clear()
    made.denied.add('tool.call by 3')
    await made.gate.authorize(call(2))
  })

  it('what a process does not hold no policy gives it, and policy is not even asked (Q1)', async () => {
    await refused(by(1, 'tool.call', 'tool:other', { containment: 'os' }), /capability\.not-held/)
    const exec = (line: readonly string[], context: object = {}): GateRequest => ({
      ...by(1, 'task.submit', `task:${TASK}`, { ...START, argv: line, ...context }),
      command: line
    })
    await refused(exec(['rm']), /capability\.not-held/)
    await refused(exec(['./make']), /capability\.not-held/)
    await refused(exec(['make\n']), /capability\.not-held/)
    await refused({ ...exec(['make']), environment: { PATH: '/task' } }, /capability\.not-held/)
    await refused(exec(['make'], { grants: ['tool:*'] }), /capability\.not-held/)
    await refused(exec(['make'], { grants: ['fs.write:/srv'] }), /capability\.not-held/)
    await refused(exec(['make'], { node: null }), /capability\.not-held/)
    await refused(exec(['make'], { role: 'emperor' }), /capability\.role-exceeds/)
    await refused(exec(['make'], { containment: 'none' }), /capability\.contained-only/)
    await refused(
      exec(['make'], { node: testNode(2), grants: ['fs.read:/srv'] }),
      /capability\.not-elsewhere/
    )
    assert.deepEqual(made.asked, [])
    assert.equal(made.book.submitterOf(TASK), null)
  })

  it('a command here is judged as a command; one elsewhere as that and as a task', async () => {
    const submit = (node: string): GateRequest => ({
      ...by(1, 'task.submit', `task:${TASK}`, { ...START, node, grants: ['secret:A'] }),
      command: ['make']
    })
    await made.gate.authorize(submit(self))
    assert.deepEqual(made.asked, ['process.exec by 1', 'secret.read by 1'])
    assert.equal(made.book.submitterOf(TASK), 1)
    made.asked.splice(0)
    await made.gate.authorize(submit(testNode(2)))
    assert.deepEqual(made.asked, ['process.exec by 1', 'task.submit by 1', 'secret.read by 1'])
  })

  it('an image makes another program of every name: it needs the right to run any', async () => {
    const start = (number: number): GateRequest => ({
      ...by(number, 'task.submit', `task:${TASK}`, { ...START, image: 'localhost/tools:1' }),
      command: ['make']
    })
    await refused(start(1), /capability\.not-held/)
    begin(made, 5, ['exec:*'])
    await made.gate.authorize(start(5))
  })

  it('a GPU of this node is handed on by who may hand on work for one', async () => {
    const start = (number: number): GateRequest => ({
      ...by(number, 'task.submit', `task:${TASK}`, { ...START, gpu: '1' }),
      command: ['make']
    })
    await refused(start(1), /capability\.not-held/)
    begin(made, 5, ['exec:make', 'delegate:gpu'])
    await made.gate.authorize(start(5))
  })

  it('what was asked for by a process that has ended does not start as somebody’s own (B3)', () => {
    assert.throws(() => begin(made, 6, ['tool:hash'], 99), { code: 'PROCESS_ENDED' })
    const [parent] = [made.book.of(1)]
    assert.ok(parent !== null && parent !== undefined)
    made.book.submitted(TASK, pid(1))
    made.book.end(parent)
    const request = {
      pid: pid(7),
      command: ['x'] as const,
      env: {},
      cwd: null,
      sandbox: DEFAULT_SANDBOX,
      io: null,
      secretsOf: { node: self, taskId: TASK, epoch: epoch(1) }
    }
    assert.throws(() => made.book.begin(request, null), { code: 'PROCESS_ENDED' })
  })

  it('a token that does not hold now is a refusal, whatever is written of the process (H3)', async () => {
    made.objection = 'its issuer is no member'
    await refused(call(1), /capability\.not-valid/)
  })

  it('ends and signals only what it has started', async () => {
    made.book.submitted(TASK, pid(1))
    await made.gate.authorize(by(1, 'task.cancel', `task:${TASK}`))
    await made.gate.authorize(by(1, 'agent.stop', 'agent:mine'))
    await refused(by(1, 'agent.stop', 'agent:other'), /capability\.not-its-own/)
    await refused(by(1, 'task.cancel', 'task:zzzzzzzzzzzzzzzz'), /capability\.not-its-own/)
  })

  it('of all other acts none is for a process (N1)', async () => {
    const asked = new Set([
      'tool.call',
      'ipc.send',
      'task.submit',
      'agent.spawn',
      'task.cancel',
      'task.signal',
      'agent.stop'
    ])
    for (const action of Object.keys(ACTIONS) as Action[]) {
      if (asked.has(action)) continue
      await refused(by(1, action, 'x:y', START), /capability\.not-for-processes/)
    }
  })

  it('one that has ended asks for nothing, also when it ends while it is decided', async () => {
    await refused(call(7), /capability\.ended/)
    made.onDecision = () => {
      const rights = made.book.of(1)
      if (rights !== null) made.book.end(rights)
    }
    await assert.rejects(made.gate.authorize(call(1)), { code: 'PROCESS_ENDED' })
  })

  it('a secret that came from another node is handed on by nobody', async () => {
    const sandbox = { ...DEFAULT_SANDBOX, grants: ['exec:make', 'secret:A'].map(parseGrant) }
    const run = { node: testNode(2), taskId: TASK, epoch: 1 as never }
    const request = { command: ['x'], env: {}, cwd: null, sandbox, io: null } as const
    made.book.begin({ ...request, pid: pid(5), secretsOf: run }, null)
    const grants = sandbox.grants.map(formatGrant)
    const submit = {
      ...by(5, 'task.submit', `task:${TASK}`, { ...START, grants }),
      command: ['make']
    }
    await refused(submit, /capability\.not-its-secret/)
  })
})
