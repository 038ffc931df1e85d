// Goal: no member gets by its own RPC calls what the command would not give it: not with a principal, a role or an
// approval of its own making, nor with a capability that is forged, widened, another's, or for something else
// (attack classes 3, 4, 5, 7, 19). And between honest members, authority goes along and is worth what it says.
// Method: real kernels; a hostile libp2p peer that is a member and says what it likes.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import process from 'node:process'
import {
  epoch,
  nodeId,
  parseGrant,
  signerFromSeed,
  taskId,
  unixMillis
} from '../../../core/index.ts'
import type { Cbor, NodeId } from '../../../core/index.ts'
import { createCapabilities } from '../../../governance/index.ts'
import type { Capabilities } from '../../../governance/index.ts'
import type { Agent, Task } from '../../../node/api/index.ts'
import { detectContainment } from '../../../node/containment/detect.ts'
import { Lab, until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { HostilePeer } from '../mesh/hostile-peer.ts'
import { python, toldIn } from './inside.ts'

const TASK = '0123456789abcdef'
const LIMITS = { memoryBytes: null, cpus: null, pids: null }

describe('chaos: what members ask of a kernel', function () {
  this.timeout(120_000)
  let lab: Lab
  let laptop: KernelHandle
  let id: NodeId
  let peer: HostilePeer
  let own: Capabilities
  let others: Capabilities

  before(async function () {
    const { name } = await detectContainment(process.platform, process.arch)
    const hasPython = spawnSync('python3', ['--version']).status === 0
    if (name !== 'bubblewrap' || !hasPython) {
      process.stderr.write('skipped: there is no bubblewrap, or no python3, here\n')
      this.skip()
    }
    lab = await Lab.open()
    const [first] = await lab.pair()
    laptop = first
    const status = await laptop.client.meshStatus()
    id = nodeId(status.nodeId)
    peer = await HostilePeer.start()
    await peer.join(await lab.invite('laptop'), 'mallory')
    await peer.connect(id, status.listen)
    own = capabilitiesOf(peer.signer)
    others = capabilitiesOf(signerFromSeed(new Uint8Array(randomBytes(32))))
  })
  after(async () => {
    await peer?.stop()
    await lab?.close()
  })

  function capabilitiesOf(signer: HostilePeer['signer']): Capabilities {
    const entropy = { bytes: (size: number) => new Uint8Array(randomBytes(size)) }
    return createCapabilities({
      signer,
      entropy,
      wall: () => unixMillis(Date.now()),
      mayIssue: () => true
    })
  }

  const sandbox = (grants: readonly string[], more: Readonly<Record<string, Cbor>> = {}): Cbor => ({
    containment: 'os',
    grants: [...grants],
    limits: LIMITS,
    ...more
  })

  /** The code of the refusal; null: it was done. */
  async function refusal(service: string, method: string, body: Cbor): Promise<string | null> {
    try {
      const answer = await peer.call(id, service, method, body)
      if (typeof answer === 'object' && answer !== null && 'kind' in answer) {
        return 'code' in answer ? String(answer.code) : String(answer.kind)
      }
      return null
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error)
    }
  }

  const agent = (name: string, more: Readonly<Record<string, Cbor>>): Cbor => ({
    name,
    runtime: 'custom',
    command: ['sleep', '300'],
    env: {},
    restart: 'temporary',
    ...more
  })

  it('an agent: no word of its own makes its node anybody else', async () => {
    const claims = {
      requester: 'user:local',
      principal: { kind: 'owner' },
      role: 'admin',
      approved: true,
      approval: '1@laptop'
    }
    const cases: readonly (readonly [Readonly<Record<string, Cbor>>, RegExp])[] = [
      [{ sandbox: sandbox([], { containment: 'none' }) }, /GOVERNANCE_DENIED/],
      [{ sandbox: sandbox([], { role: 'devops' }) }, /GOVERNANCE_DENIED/],
      [{ sandbox: sandbox(['fs.read:/srv']) }, /GOVERNANCE_CAPABILITY_INVALID/],
      [{ sandbox: sandbox(['tool:hash']) }, /GOVERNANCE_CAPABILITY_INVALID/]
    ]
    for (const [more, code] of cases) {
      assert.match(
        (await refusal('agents', 'spawn', agent('x', { ...more, ...claims }))) ?? '',
        code
      )
    }
    const rows: Agent[] = JSON.parse((await lab.weaver('laptop', 'agent', 'list', '--json')).stdout)
    assert.ok(rows.every(({ state }) => state === 'failed'))
  })

  it('an agent: a token counts from its issuer alone, for what it says, and policy decides after it', async () => {
    const grants = [parseGrant('tool:hash')]
    const base = { task: null, epoch: null, grants, until: null }
    const good = await own.issue({ ...base, node: id })
    const cut = good.slice(0, -1)
    const flipped = good.map((byte, at) => (at === good.length - 20 ? byte ^ 1 : byte))
    const bad: readonly Uint8Array[] = [
      new Uint8Array(),
      new Uint8Array(randomBytes(500)),
      cut,
      flipped,
      await others.issue({ ...base, node: id }),
      await own.issue({ ...base, node: peer.id }),
      await own.issue({ ...base, node: id, until: unixMillis(Date.now() - 1000) }),
      await own.issue({ ...base, node: id, task: taskId(TASK), epoch: epoch(1) }),
      await own.issue({ ...base, node: id, grants: [parseGrant('tool:other')] }),
      await own.narrow(good, { grants: [] })
    ]
    for (const authority of bad) {
      const order = agent('x', { sandbox: sandbox(['tool:hash']), authority })
      assert.equal(await refusal('agents', 'spawn', order), 'GOVERNANCE_CAPABILITY_INVALID')
    }
    // It may say so; and this node's own policy says what members are granted.
    const wide = await own.issue({ ...base, node: id, grants: [parseGrant('fs.read:/srv')] })
    const files = agent('x', { sandbox: sandbox(['fs.read:/srv']), authority: wide })
    assert.equal(await refusal('agents', 'spawn', files), 'GOVERNANCE_DENIED')
    const tool = agent('fine', { sandbox: sandbox(['tool:hash']), authority: good })
    assert.equal(await refusal('agents', 'spawn', tool), null)
    await lab.done('laptop', 'agent', 'stop', 'fine')
  })

  it('a task: neither a claim in the offer nor a token for another run, twice or elsewhere, counts', async () => {
    const spec = (grants: readonly string[], more: Readonly<Record<string, Cbor>> = {}): Cbor => ({
      command: ['true'],
      env: {},
      cwd: null,
      gpu: null,
      labels: {},
      node: null,
      timeoutMs: null,
      isAttached: false,
      sandbox: sandbox(grants, more)
    })
    const run = { task: taskId(TASK), epoch: epoch(1) }
    const tool = { grants: [parseGrant('tool:hash')], node: id, until: null }
    const token = await own.issue({ ...run, ...tool })
    const offer = (more: Readonly<Record<string, Cbor>>): Cbor => ({
      taskId: TASK,
      epoch: 1,
      ...more
    })
    const cases: readonly (readonly [Cbor, RegExp])[] = [
      [offer({ spec: spec([]), approved: true }), /INVALID/],
      [offer({ spec: spec([]), principal: 'user:local' }), /INVALID/],
      [offer({ spec: spec([], { approved: true }) }), /INVALID/],
      [
        offer({ spec: spec([], { containment: 'none' }), taskId: '0'.repeat(16) }),
        /GOVERNANCE_DENIED/
      ],
      [offer({ spec: spec([], { role: 'devops' }), taskId: '1'.repeat(16) }), /GOVERNANCE_DENIED/],
      [offer({ spec: spec(['tool:hash']) }), /CAPABILITY_INVALID/],
      [offer({ spec: spec(['tool:hash', 'exec:*']), authority: token }), /CAPABILITY_INVALID/],
      [offer({ spec: spec(['tool:*']), authority: token }), /CAPABILITY_INVALID/],
      [offer({ spec: spec(['tool:hash']), authority: token, epoch: 2 }), /CAPABILITY_INVALID/],
      [
        offer({ spec: spec(['tool:hash']), authority: await others.issue({ ...run, ...tool }) }),
        /CAPABILITY_INVALID/
      ],
      [
        offer({ spec: spec(['tool:hash']), authority: token, taskId: 'fedcba9876543210' }),
        /CAPABILITY_INVALID/
      ]
    ]
    for (const [body, code] of cases) {
      assert.match((await refusal('executor', 'offer', body)) ?? 'done', code)
    }
  })

  it('the rest: no tool out of its walls, no secret, no result, no approval that is not its own to give', async () => {
    const tool = { name: 'hash', input: '{}', containment: 'none' }
    assert.equal(await refusal('tools', 'call', tool), 'GOVERNANCE_DENIED')
    const secret = { name: 'A', taskId: TASK, epoch: 1 }
    assert.notEqual(await refusal('secrets', 'read', secret), null)
    const decision = { number: 1, approve: true, hash: '0'.repeat(64) }
    assert.notEqual(await refusal('approvals', 'decide', decision), null)
    for (const [service, method] of [
      ['policy', 'apply'],
      ['kernel', 'stop'],
      ['agents', 'exec'],
      ['executor', 'run']
    ] as const) {
      assert.notEqual(await refusal(service, method, { taskId: TASK, epoch: 1 }), null)
    }
    const entries = await lab.log('laptop', '--kind', 'policy.decision')
    const decided = entries.filter(({ actor }) => actor === `node:${peer.id}`)
    assert.ok(decided.length >= 6, 'what was refused by policy is in the chain, in its name')
  })

  it('a process hands a task on to another member, and that asks its own kernel for what came along', async () => {
    const inner = python(
      `told(json.loads(ask('GET', '/api/v1/self')[1])); told(ask('POST', '/api/v1/tools/hash/call', {'input': {'algorithm': 'sha256', 'text': 'x'}})); told(ask('POST', '/api/v1/tools/other/call', {'input': {}})[0])`
    )
    // A role of this home's own: those that ship do not run a program that opens sockets by itself.
    for (const action of ['process.exec', 'task.submit', 'exec.use', 'delegate.use', 'tool.use']) {
      const permit = `@id("mine.${action}") permit (principal in Weft::Role::"hand", action == Weft::Action::"${action}", resource);`
      await lab.done('laptop', 'policy', 'add', permit)
    }
    const words = ['run', '--on', 'laptop', '--role', 'hand']
    const grants = ['exec:python3', 'delegate:server', 'tool:hash']
    const script = `
command = json.loads(${JSON.stringify(JSON.stringify(inner))})
def task(node, grants, gpu=None):
    sandbox = {'grants': grants}
    return ask('POST', '/api/v1/tasks', {'command': command, 'node': node, 'gpu': gpu, 'sandbox': sandbox})
told(task('server', ['tool:hash', 'exec:true']))
told(task('server', ['tool:*']))
told(task('server', ['fs.read:/usr']))
told(task(None, [], '1'))
told(task('mallory', []))
status, text = task('server', ['tool:hash'])
told([status, text])
id = json.loads(text)['taskId']
while True:
    state = json.loads(ask('GET', '/api/v1/tasks/' + id)[1])
    if state['state'] in ('succeeded', 'failed', 'cancelled', 'lost'): break
    time.sleep(0.1)
told(state)
import base64
out = ask('GET', f'/api/v1/tasks/{id}/output')[1]
data = [json.loads(line[6:]) for line in out.splitlines() if line.startswith('data: {')]
told(''.join(base64.b64decode(one['base64']).decode() for one in data if 'base64' in one))
`
    const { stdout, stderr, code } = await lab.weaver(
      'laptop',
      ...words,
      ...grants.flatMap((grant) => ['--grant', grant]),
      '--',
      ...python(script)
    )
    assert.equal(code, 0, `${stderr}${stdout}`)
    const [more, wide, files, gpu, stranger, accepted, state, output] = toldIn(stdout) as readonly [
      [number],
      [number],
      [number],
      [number],
      [number],
      [number],
      Task,
      string
    ]
    assert.deepEqual(
      [more[0], wide[0], files[0], gpu[0], stranger[0], accepted[0]],
      [403, 403, 403, 403, 403, 202]
    )
    assert.deepEqual([state.state, state.executor], ['succeeded', 'server'], state.reason ?? '')
    const [self, [status], other] = toldIn(output) as readonly [
      { readonly node: string; readonly grants: readonly string[] },
      [number],
      number
    ]
    assert.deepEqual([self.node, self.grants, status, other], ['server', ['tool:hash'], 200, 403])
    await until(async () => {
      const tasks = await laptop.client.tasks()
      return tasks.every(({ state: one }) => one !== 'running' && one !== 'queued')
    })
  })
})
