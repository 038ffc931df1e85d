// Goal: labels that an admin gives with the command count on the node they are for, though it was away, though
// everybody is killed afterwards; and nobody but an admin gives any.
// Method: three real kernels on loopback. The one that is labelled is down meanwhile, and the admin is when it
// comes back: it must hear of its labels from the member that may not give any.

import assert from 'node:assert/strict'
import type { NodeLabels } from '../../../node/api/index.ts'
import { Lab, until } from './lab.ts'
import type { KernelHandle } from './lab.ts'

describe('chaos: labels from anywhere', function () {
  this.timeout(180_000)
  let lab: Lab
  let desk: KernelHandle

  before(async () => {
    lab = await Lab.open()
    await lab.start('laptop')
    desk = await lab.start('desk', '--join', await lab.invite('laptop'))
    const site = ['--label', 'site=home', '--label', 'rack=a']
    await lab.start('server', ...site, '--join', await lab.invite('laptop'))
    await stopped('server')
  })
  after(() => lab.close())

  it('given to a node that is away, they wait for it, and the command says so', async () => {
    const { labels } = await labelled('laptop', 'server', 'tier=fast', 'site=attic')
    assert.deepEqual(
      labels.map(({ key, value, from, startValue, state }) => [
        key,
        value,
        from,
        startValue,
        state
      ]),
      [
        ['rack', 'a', 'start', 'a', 'in-force'],
        ['site', 'attic', 'mesh', 'home', 'waiting'],
        ['tier', 'fast', 'mesh', null, 'waiting']
      ]
    )
    const { stdout } = await lab.weaver('laptop', 'mesh', 'label', 'server')
    assert.match(stdout, /^tier=fast +mesh +comes when server hears of it$/m)
    // The other member has heard of it too: it is the one that tells.
    await until(async () => (await labelled('desk', 'server')).labels.length === 3)
  })

  it('count as soon as it is back, though the admin has gone by then', async () => {
    await stopped('laptop')
    await lab.start('server')
    await until(async () => (await labelsSeen('server'))['tier'] === 'fast')
    await runsOnServer('tier=fast', 'site=attic', 'rack=a')
    const status = await lab.weaver('server', 'kernel', 'status', '--json')
    const { labels }: { labels: Record<string, string> } = JSON.parse(status.stdout)
    assert.deepEqual(labels, { rack: 'a', site: 'attic', tier: 'fast' })
  })

  it('count still after all were killed and started again', async () => {
    await lab.start('laptop')
    for (const name of ['laptop', 'desk', 'server']) await lab.kill(name)
    for (const name of ['server', 'desk', 'laptop']) await lab.start(name)
    await until(async () => (await labelsSeen('server'))['tier'] === 'fast')
    await runsOnServer('tier=fast')
  })

  it('follow their node to another key', async () => {
    const before = await labelled('laptop', 'server')
    const rotated = await lab.weaver('server', 'chain', 'rotate')
    assert.equal(rotated.code, 0, rotated.stderr)
    await stopped('server')
    await lab.start('server')
    await until(async () => (await labelsSeen('server'))['tier'] === 'fast')
    const { nodeId, labels } = await labelled('laptop', 'server')
    assert.notEqual(nodeId, before.nodeId)
    assert.deepEqual(labels, before.labels)
  })

  it('are refused to a member that is no admin, to bad labels and for unknown nodes', async () => {
    for (const [by, words, code, line] of [
      ['desk', ['server', 'tier=slow'], 1, /no admin of the mesh; run it on laptop$/],
      ['laptop', ['nowhere', 'tier=slow'], 1, /Cannot find node 'nowhere'/],
      ['laptop', ['server', 'tier=very slow'], 2, /Cannot use 'tier=very slow' as a label/],
      [
        'laptop',
        ['server', 'tier=slow', 'tier-'],
        2,
        /has 'tier' twice, in 'tier=slow' and 'tier-'/
      ],
      ['laptop', ['server', 'rack-'], 1, /server was started with --label rack=a; give it another/],
      ['laptop', ['server', 'tier'], 2, /cannot read 'tier': write KEY=VALUE/]
    ] as const) {
      const result = await lab.weaver(by, 'mesh', 'label', ...words)
      assert.equal(result.code, code, result.stderr)
      assert.match(result.stderr.trim(), line)
    }
    assert.equal((await labelsSeen('server'))['tier'], 'fast')
  })

  it('follow policy, and are in the chain of whoever gave them', async () => {
    const rule = 'forbid (principal, action == Weft::Action::"mesh.label", resource) '
    const when = 'when { context.labels.contains("tier=prod") };'
    const added = await lab.weaver('laptop', 'policy', 'add', `@id("no-prod") ${rule}${when}`)
    assert.equal(added.code, 0, added.stderr)
    const denied = await lab.weaver('laptop', 'mesh', 'label', 'server', 'tier=prod')
    assert.equal(denied.code, 4, denied.stderr)
    assert.match(denied.stderr, /no-prod/)
    await labelled('laptop', 'server', 'tier-', 'site-')
    assert.deepEqual(await labelsSeen('server'), { rack: 'a', site: 'home' })
    const { stdout } = await lab.weaver(
      'laptop',
      'chain',
      'log',
      '--kind',
      'mesh.labelled',
      '--json'
    )
    const payloads = stdout
      .trim()
      .split('\n')
      .map((line): { payload: { labels: unknown; removed: unknown } } => JSON.parse(line))
    assert.deepEqual(
      payloads.map(({ payload: { labels, removed } }) => ({ labels, removed })),
      [
        { labels: { tier: 'fast', site: 'attic' }, removed: [] },
        { labels: {}, removed: ['tier', 'site'] }
      ]
    )
  })

  async function stopped(name: string): Promise<void> {
    const { code, stderr } = await lab.weaver(name, 'kernel', 'stop')
    assert.equal(code, 0, stderr)
  }

  async function labelled(by: string, ...words: readonly string[]): Promise<NodeLabels> {
    const { code, stdout, stderr } = await lab.weaver(by, 'mesh', 'label', ...words, '--json')
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }

  /** What desk sees of a node, which is what the node itself says. */
  async function labelsSeen(node: string): Promise<Readonly<Record<string, string>>> {
    const peers = await desk.client.peers()
    const peer = peers.find(({ name, state }) => name === node && state === 'alive')
    return peer?.labels ?? {}
  }

  async function runsOnServer(...labels: readonly string[]): Promise<void> {
    const asked = labels.flatMap((label) => ['--label', label])
    const run = ['run', ...asked, '--timeout', '60s']
    const script = ['sh', '-c', 'echo $WEAVER_NODE']
    const { code, stdout, stderr } = await lab.weaver('desk', ...run, '--', ...script)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'server\n')
  }
})
