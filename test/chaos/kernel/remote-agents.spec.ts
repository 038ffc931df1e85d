// Goal: who starts an agent of another node again is decided about all that would run, as who starts it first is: a
// member gets nothing started that it may not start (attacks 6 and 7). And the node that wants an agent elsewhere decides
// about all that the other one is shown.

import assert from 'node:assert/strict'
import { z } from 'zod'
import type { Agent } from '../../../node/api/index.ts'
import { Lab, until } from './lab.ts'
import type { KernelHandle } from './lab.ts'

const decisionSchema = z.object({
  action: z.literal('agent.spawn'),
  context: z.record(z.string(), z.unknown())
})

describe('chaos: agents of another node', function () {
  this.timeout(60_000)
  let lab: Lab
  let laptop: KernelHandle

  before(async () => {
    lab = await Lab.open()
    ;[laptop] = await lab.pair()
  })
  after(() => lab.close())

  async function spawn(by: string, name: string, ...flags: readonly string[]): Promise<void> {
    const words = ['agent', 'spawn', '--runtime', 'custom', '--name', name, ...flags]
    await lab.done(by, ...words, '--', 'sleep', '1000')
  }

  async function agent(name: string): Promise<Agent> {
    const found: Agent = JSON.parse(await lab.done('server', 'agent', 'inspect', name, '--json'))
    return found
  }

  it('a member restarts what it may start, contained as it is', async () => {
    await spawn('laptop', 'plain', '--on', 'server')
    await lab.done('laptop', 'agent', 'restart', 'plain')
    await until(async () => (await agent('plain')).state === 'running')
    assert.equal((await agent('plain')).containment, 'os')
  })

  it('a member restarts nothing with a grant, a role or no containment that it may not give', async () => {
    await spawn('server', 'reads', '--grant', 'fs.read:/opt')
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'reads'), /read files, path:\/opt/)
    await spawn('server', 'codes', '--role', 'coder')
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'codes'), /may not spawn an agent/)
    await spawn('server', 'free', '--containment', 'none')
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'free'), /without containment/)
    for (const name of ['reads', 'codes', 'free'])
      assert.equal((await agent(name)).state, 'running')
  })

  it('a member that may start what is not contained is not given the grants of others by that', async () => {
    const permit =
      'permit (principal is Weft::Node, action == Weft::Action::"process.uncontained", resource);'
    await lab.done('server', 'policy', 'add', permit)
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'reads'), /read files, path:\/opt/)
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'codes'), /may not spawn an agent/)
  })

  /** What a node's gate was shown of the start of an agent, but for what only a process that starts has. */
  async function shown(node: string, name: string): Promise<object> {
    const entries = await lab.log(node, '--lane', node)
    const starts = entries.flatMap(({ kind, subject, payload }) => {
      const isStart = kind === 'policy.decision' && subject === `agent:${name}`
      const found = isStart ? decisionSchema.safeParse(payload).data : undefined
      return found === undefined ? [] : [found.context]
    })
    const [first] = starts
    assert.ok(first !== undefined, `${node} was asked for ${name}`)
    const { pid: _pid, restarts: _restarts, node: _node, ...rest } = first
    return rest
  }

  it('both gates are shown the same of a start on another node, field by field', async () => {
    const permits =
      'permit (principal is Weft::Node, action in [Weft::Action::"agent.spawn", Weft::Action::"fs.read"], resource);'
    await lab.done('server', 'policy', 'add', permits)
    const limits = { memoryBytes: null, cpus: null, pids: 50 }
    const sandbox = { containment: 'os', grants: ['fs.read:/opt'], limits, role: 'reader' } as const
    await laptop.client.spawnAgent({
      runtime: 'custom',
      name: 'whole',
      node: 'server',
      gpu: '1',
      restart: 'transient',
      args: ['sleep', '1000'],
      env: { B: '1', A: '2' },
      cwd: '/opt',
      sandbox
    })
    const there = await shown('server', 'whole')
    assert.deepEqual(await shown('laptop', 'whole'), there)
    const keys = 'argv containment cwd envNames gpu grants limits restart role runtime'
    assert.deepEqual(Object.keys(there).toSorted(), keys.split(' '))
    await lab.done('laptop', 'agent', 'stop', 'whole')
  })

  it('no wish for another node passes the gate of the node that has it unseen', async () => {
    const rules: Readonly<Record<string, string>> = {
      gpu: 'context has gpu && context.gpu.count >= 1',
      image: 'context has image',
      role: 'context has role && context.role == "reader"'
    }
    for (const [name, when] of Object.entries(rules)) {
      const start = '(principal, action == Weft::Action::"agent.spawn", resource)'
      await lab.done(
        'laptop',
        'policy',
        'add',
        `@id("no.${name}") forbid ${start} when { ${when} };`
      )
    }
    const asked = ['agent', 'spawn', '--runtime', 'custom', '--name', 'wish', '--on', 'server']
    const values: Readonly<Record<string, string>> = { gpu: '1', image: 'tools:1', role: 'reader' }
    for (const [name, value] of Object.entries(values)) {
      const said = await lab.denied('laptop', ...asked, `--${name}`, value, '--', 'true')
      assert.match(said, new RegExp(String.raw`no\.${name}\b`), said)
    }
    // A check says what the start is told.
    for (const name of ['gpu', 'image']) {
      const check = ['policy', 'check', '--action', 'agent.spawn', '--resource', 'agent:wish']
      const { code, stdout } = await lab.weaver(
        'laptop',
        ...check,
        `--${name}`,
        values[name] ?? '',
        '--',
        'true'
      )
      assert.equal(code, 4, stdout)
      assert.match(stdout, new RegExp(String.raw`no\.${name}\b`), stdout)
    }
    await spawn('server', 'lent', '--gpu', '1')
    // To start one again is to start it: its row says what it is given.
    const again = await lab.denied('laptop', 'agent', 'restart', 'lent')
    assert.match(again, /no\.gpu\b/)
    const entries = await lab.log('server', '--lane', 'server')
    assert.ok(
      !entries.some(({ subject }) => subject === 'agent:wish'),
      'the other node is not asked'
    )
    await lab.done('server', 'agent', 'stop', 'lent')
  })
})
