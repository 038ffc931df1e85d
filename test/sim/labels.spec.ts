// Goal: labels that admins give to nodes count where the node is, whoever was away or has crashed meanwhile.
// Method: three whole kernels on a calm network and virtual time; tasks by label say where they count.

import assert from 'node:assert/strict'
import { WeaverError } from '../../core/index.ts'
import type { NodeLabels } from '../../node/api/index.ts'
import { containedSpec } from '../doubles/sandboxes.ts'
import { WholeKernel } from './world/sim-kernel.ts'
import { World } from './world/world.ts'

const NAMES = ['ada', 'bob', 'cyn']
const LIMIT_MS = 60_000

describe('sim: labels given from anywhere', function () {
  this.timeout('60s')
  let world: World<WholeKernel>

  beforeEach(async () => {
    world = new World(
      { boot: (ports) => WholeKernel.start(ports, { gpus: [], labels: { site: ports.name } }) },
      { seed: 1, machines: NAMES, replay: 'npx mocha test/sim/labels.spec.ts' }
    )
    world.heal()
    for (const name of NAMES) await boot(name)
    for (const name of NAMES.slice(1)) await join(name)
    for (const name of NAMES) await seen(name, { ada: 'ada', bob: 'bob', cyn: 'cyn' })
  })
  afterEach(async () => {
    for (const name of NAMES) {
      if (world.machine(name).kernel !== null) await settle(world.stop(name))
    }
  })

  it('count on a node that was away when they were given, though the admin has gone since', async () => {
    await settle(world.stop('cyn'))
    const given = await label('ada', 'cyn', { tier: 'fast', site: 'attic' })
    assert.deepEqual(states(given), ['site=attic mesh waiting', 'tier=fast mesh waiting'])
    await world.advance(2000)
    await settle(world.stop('ada'))
    await boot('cyn')
    await seen('bob', { cyn: 'attic' })
    await runs('bob', { tier: 'fast' }, 'cyn')
    assert.deepEqual(states(service('cyn').nodeLabels('cyn')), [
      'site=attic mesh in-force',
      'tier=fast mesh in-force'
    ])
    assert.deepEqual(service('cyn').status().labels, { site: 'attic', tier: 'fast' })
  })

  it('count as soon as the command has returned, and after the power of all has failed', async () => {
    const given = await label('ada', 'cyn', { tier: 'fast' })
    assert.deepEqual(states(given), ['site=cyn start in-force', 'tier=fast mesh in-force'])
    await runs('ada', { tier: 'fast' }, 'cyn')
    for (const name of NAMES) world.crash(name, 'power-lost')
    for (const name of NAMES) await boot(name)
    await runs('bob', { tier: 'fast', site: 'cyn' }, 'cyn')
  })

  it('taken away again, those of the start count; one of the start cannot be taken away', async () => {
    await label('ada', 'cyn', { site: 'attic' })
    const taken = await label('ada', 'cyn', {}, ['site'])
    assert.deepEqual(states(taken), ['site=cyn start in-force'])
    await assert.rejects(label('ada', 'cyn', {}, ['site']), {
      code: 'NODE_LABEL_OF_START',
      message: /cyn was started with --label site=cyn/
    })
    // One that is not there, as another admin may have taken it away already.
    await label('ada', 'cyn', {}, ['tier'])
  })

  it('are on record before they count, and refused to whoever is no admin', async () => {
    await assert.rejects(label('bob', 'cyn', { tier: 'fast' }), (error) => {
      assert(error instanceof WeaverError)
      assert.deepEqual([error.code, error.detail['hint']], ['MESH_NOT_ADMIN', 'run it on ada'])
      return true
    })
    await assert.rejects(label('ada', 'dan', { tier: 'fast' }), { code: 'NODE_NOT_FOUND' })
    await assert.rejects(label('ada', 'cyn', { tier: 'a b' }), { code: 'NODE_LABEL_INVALID' })
    assert.deepEqual(await labelled(), [])
    await label('ada', 'cyn', { tier: 'fast' }, ['zone'])
    const node = world.kernel('cyn').rooms.self
    assert.deepEqual(await labelled(), [{ node, labels: { tier: 'fast' }, removed: ['zone'] }])
  })

  it('of two admins at once both count, and of one label one, the same everywhere', async () => {
    await settle(service('ada').setNodeRole('bob', 'admin'))
    const { signal } = new AbortController()
    const give = (by: string, labels: Readonly<Record<string, string>>): Promise<NodeLabels> =>
      service(by).labelNode('cyn', { labels, removed: [] }, signal)
    await settle(
      Promise.all([give('ada', { a: '1', both: 'ada' }), give('bob', { b: '2', both: 'bob' })])
    )
    await world.advance(3000)
    const texts = NAMES.map((name) => states(service(name).nodeLabels('cyn')).join())
    assert.equal(new Set(texts).size, 1)
    assert.match(
      texts[0] ?? '',
      /^a=1 mesh in-force,b=2 mesh in-force,both=(?:ada|bob) mesh in-force/
    )
  })

  it('go with the membership of their node', async () => {
    await label('ada', 'cyn', { tier: 'fast' })
    await label('ada', 'bob', { tier: 'slow' })
    await settle(service('ada').evictNode('cyn'))
    const bob = world.kernel('bob').rooms.self
    assert.deepEqual(Object.keys(world.kernel('ada').rooms.mesh.shared.of('labels')), [
      `${bob}/tier`
    ])
  })

  it('go when the last of several admins signs the eviction', async () => {
    await settle(service('ada').setNodeRole('bob', 'admin'))
    await settle(service('ada').setSignatures(2))
    await label('ada', 'cyn', { tier: 'fast' })
    await settle(service('ada').evictNode('cyn'))
    const rows = (): number =>
      Object.keys(world.kernel('bob').rooms.mesh.shared.of('labels')).length
    await world.until(
      'bob has heard',
      () => service('bob').pendingChanges().length > 0 && rows() > 0,
      LIMIT_MS
    )
    await settle(service('bob').approveChanges(null))
    assert.equal(rows(), 0)
  })

  it('stay in the mesh that gave them, also for a node that comes back', async () => {
    await label('ada', 'cyn', { tier: 'fast' })
    await settle(service('cyn').leaveMesh(false))
    await world.until('cyn has its own labels', () => ownLabels('cyn') === 'site=cyn', LIMIT_MS)
    await label('cyn', 'cyn', { tier: 'slow', rack: 'a' })
    assert.equal(ownLabels('cyn'), 'rack=a,site=cyn,tier=slow')
    await join('cyn')
    const isBack = (): boolean => ownLabels('cyn') === 'site=cyn,tier=fast'
    await world.until('cyn has the labels of the mesh', isBack, LIMIT_MS)
  })

  function ownLabels(name: string): string {
    return Object.entries(service(name).status().labels)
      .map(([key, value]) => `${key}=${value}`)
      .join()
  }

  function service(name: string): WholeKernel['service'] {
    return world.kernel(name).service
  }

  function settle<T>(promise: Promise<T>): Promise<T> {
    return world.settle('a step of the scenario', promise, LIMIT_MS)
  }

  async function boot(name: string): Promise<void> {
    world.start(name)
    await world.until(`${name} is up`, () => world.machine(name).kernel !== null, LIMIT_MS)
  }

  async function join(name: string): Promise<void> {
    const terms = { ttlMs: 3_600_000 * 4, uses: 1, role: 'member' } as const
    const { invite } = await settle(service('ada').invite(terms))
    await settle(service(name).join(invite, new AbortController().signal))
  }

  /** Until `name` sees nodes with these labels of `site`. */
  async function seen(name: string, sites: Readonly<Record<string, string>>): Promise<void> {
    const isSeen = (): boolean =>
      Object.entries(sites).every(([node, site]) =>
        service(name)
          .peers()
          .some((peer) => peer.name === node && peer.labels['site'] === site)
      )
    await world.until(`${name} sees the labels`, isSeen, LIMIT_MS)
  }

  function label(
    by: string,
    node: string,
    labels: Readonly<Record<string, string>>,
    removed: readonly string[] = []
  ): Promise<NodeLabels> {
    const { signal } = new AbortController()
    return settle(service(by).labelNode(node, { labels, removed }, signal))
  }

  function states({ labels }: NodeLabels): readonly string[] {
    return labels.map(({ key, value, from, state }) => `${key}=${value} ${from} ${state}`)
  }

  /** A task for `labels`, submitted at `by`, runs on `node`. */
  async function runs(
    by: string,
    labels: Readonly<Record<string, string>>,
    node: string
  ): Promise<void> {
    const before = world.effects.length
    const where = { gpu: null, labels, node: null, timeoutMs: null }
    const spec = { ...where, env: {}, cwd: null, sandbox: containedSpec }
    const { signal } = new AbortController()
    await settle(service(by).submitTask({ ...spec, command: ['sim', 'for=10'] }, signal))
    await world.until('the task runs', () => world.effects.length > before, LIMIT_MS)
    assert.deepEqual(
      world.effects.slice(before).map((effect) => effect.node),
      [node]
    )
  }

  /** What is recorded of labels in ada's lane. */
  async function labelled(): Promise<readonly unknown[]> {
    const { chain, self } = world.kernel('ada').rooms
    const found: unknown[] = []
    const read = async (): Promise<void> => {
      for await (const { payload } of chain.log({ lane: self, kind: 'mesh.labelled' })) {
        found.push(payload)
      }
    }
    await settle(read())
    return found
  }
})
