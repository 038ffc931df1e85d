// Goal: on every path by which authority is issued, a child holds no more than its parent (attack class 6).
// Method: three nodes with real tokens, gates that let everything through, and the real code of each path: an
// owner's task and agent on another node, a process's command, agent and task on another node, hop after hop.
// fast-check draws what each asks for, wider than it holds as often as not.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  areGrantsWithin,
  DEFAULT_SANDBOX,
  epoch,
  formatGrant,
  isGrantWithin,
  millis,
  parseGrant,
  pid,
  signerFromSeed,
  taskId,
  unixMillis
} from '../../../../core/index.ts'
import type { Grant, NodeId, Sandbox, TaskId } from '../../../../core/index.ts'
import { systemEntropy } from '../../../../core/system.ts'
import type { Agents, SpawnRequest } from '../../../../agents/index.ts'
import { createCapabilities, createGate } from '../../../../governance/index.ts'
import type { Capabilities, Gate, GateRequest } from '../../../../governance/index.ts'
import { Authority } from '../../../../node/asking/authority.ts'
import { askingGate } from '../../../../node/asking/gate.ts'
import { RightsBook } from '../../../../node/asking/rights.ts'
import type { Rights } from '../../../../node/asking/rights.ts'
import { agentsService, remoteAgents } from '../../../../node/remote/agents.ts'
import { checkingAuthority, checkingOwn, withAuthority } from '../../../../node/task-authority.ts'
import type { Executor, ExecutorClient, Offer } from '../../../../scheduler/index.ts'
import type { RpcClient } from '../../../../mesh/index.ts'
import { testSpec } from '../../scheduler/fixtures.ts'

const PATHS = ['exec', 'spawn', 'delegate'] as const
const ROOTS = ['task', 'agent', 'remote agent', 'own task'] as const
type Path = (typeof PATHS)[number]
type Root = (typeof ROOTS)[number]

const signers = Array.from({ length: 3 }, () => signerFromSeed(systemEntropy.bytes(32)))
const FOREVER = new AbortController().signal

/** Everything of one node that has to do with authority, and nothing else. */
class Node {
  readonly self: NodeId
  readonly book: RightsBook
  readonly capabilities: Capabilities
  readonly authority: Authority
  readonly gate: Gate
  readonly mesh: Mesh
  started: Rights | null = null

  constructor(mesh: Mesh, signer: (typeof signers)[number]) {
    this.mesh = mesh
    this.self = signer.nodeId
    this.book = new RightsBook({ self: this.self })
    this.capabilities = createCapabilities({
      signer,
      entropy: systemEntropy,
      wall: () => unixMillis(1_800_000_000_000),
      mayIssue: (node) => mesh.members.has(node)
    })
    const clock = { now: () => millis(0), wall: () => unixMillis(0), sleep: async () => undefined }
    const capabilities = (): Capabilities => this.capabilities
    this.authority = new Authority({ book: this.book, clock, capabilities }, { self: this.self })
    const children = {
      submitted: async (id: TaskId, by: number) => this.book.submitted(id, pid(by)),
      notSubmitted: (id: TaskId) => this.book.forgetTask(id),
      isOwnAgent: () => false
    }
    const allow = createGate({
      ledger: { record: async (drafts) => drafts.map(() => ({ id: 'x' })) },
      policy: { decide: () => ({ verdict: 'allow', rule: 'test.all', hint: '' }) }
    })
    const parts = { book: this.book, authority: this.authority, children }
    this.gate = askingGate({ ...parts, gate: allow, nameOf: (it) => mesh.nameOf(it) }, this)
  }

  /** As the process host does it when the process starts. */
  begin(sandbox: Sandbox, agent: { name: string; requester: string } | null, offer?: Offer): void {
    const number = pid(this.mesh.next())
    const request: SpawnRequest = {
      pid: number,
      command: ['x'],
      env: {},
      cwd: null,
      sandbox,
      io: null
    }
    const known = agent === null ? null : { pid: number, ...agent }
    const run = offer && { node: this.mesh.origins.get(offer.taskId) ?? this.self, ...offer }
    this.started = this.book.begin(
      run === undefined ? request : { ...request, secretsOf: run },
      known
    )
  }

  /** Its executor starts whatever it is offered; what stands before it is real. */
  offered(from: NodeId, offer: Offer): ReturnType<Executor['offer']> {
    const executor = {
      offer: async (_: NodeId, { spec }: Offer) => {
        this.begin(spec.sandbox, null, offer)
        return { kind: 'accepted', revision: 1, gpus: [] } as const
      }
    } as unknown as Executor
    const { self, capabilities, book } = this
    const objection = async ({ taskId: id, spec }: Offer): Promise<string | null> => {
      const by = book.submitterOf(id)
      const rights = by === null ? null : book.of(by)
      return rights && (await this.authority.objection(rights, spec.sandbox.grants))
    }
    const served =
      from === self
        ? checkingOwn(executor, { objection })
        : checkingAuthority(executor, { self, capabilities, proofs: book })
    return served.offer(from, offer)
  }

  async offer(to: Node, id: TaskId, sandbox: Sandbox): Promise<void> {
    const offer = { taskId: id, epoch: epoch(1), spec: testSpec({ sandbox }) }
    this.mesh.origins.set(id, this.self)
    if (to === this) {
      await this.offered(this.self, offer)
      return
    }
    const wire = { offer: (_: NodeId, sent: Offer) => to.offered(this.self, sent) }
    const client = withAuthority(wire as unknown as ExecutorClient, (claims) =>
      this.authority.forTask(claims)
    )
    await client.offer(to.self, offer)
  }

  async spawnOn(to: Node, name: string, sandbox: Sandbox): Promise<void> {
    const agents = {
      spawn: async ({ requester }: { requester: string }) => {
        to.begin(sandbox, { name, requester })
        return { pid: 1 }
      }
    } as unknown as Agents
    const { self, capabilities, book, gate } = to
    const service = agentsService({ self, agents, gate, capabilities, asking: { book } })
    const call = async (_: NodeId, __: string, method: string, body: unknown): Promise<unknown> =>
      await service.serve({ peer: this.self, method, body, signal: FOREVER } as Parameters<
        typeof service.serve
      >[0])
    const rpc = { call } as unknown as RpcClient
    const order = { name, runtime: 'custom', command: ['x'], env: {}, cwd: null, sandbox } as const
    await remoteAgents(rpc, this.capabilities).spawn(
      to.self,
      { ...order, gpu: null, restart: 'temporary' },
      FOREVER
    )
  }
}

class Mesh {
  readonly members = new Set(signers.map(({ nodeId }) => nodeId))
  readonly nodes = signers.map((signer) => new Node(this, signer))
  readonly origins = new Map<TaskId, NodeId>()
  #next = 0

  next(): number {
    this.#next += 1
    return this.#next
  }

  nextTask(): TaskId {
    return taskId(String(this.next()).padStart(16, '0'))
  }

  nameOf(node: string): string {
    return `n${this.nodes.findIndex(({ self }) => self === node)}`
  }

  at(index: number): Node {
    const node = this.nodes[index % this.nodes.length]
    assert.ok(node !== undefined)
    return node
  }
}

const sandboxOf = (grants: readonly Grant[]): Sandbox => ({
  ...DEFAULT_SANDBOX,
  role: 'devops',
  grants
})

/** Started by an owner; returns the node that it runs on. */
async function root(mesh: Mesh, how: Root, sandbox: Sandbox): Promise<Node> {
  const [home, away] = [mesh.at(0), mesh.at(1)]
  if (how === 'agent') home.begin(sandbox, { name: 'root', requester: 'user:local' })
  else if (how === 'own task') await home.offer(home, mesh.nextTask(), sandbox)
  else if (how === 'task') await home.offer(away, mesh.nextTask(), sandbox)
  else await home.spawnOn(away, 'root', sandbox)
  return how === 'agent' || how === 'own task' ? home : away
}

/** What a process does to start another one; returns where that runs, or null where it was refused. */
async function hop(mesh: Mesh, at: Node, parent: Rights, step: Step): Promise<Node | null> {
  const to = step.path === 'delegate' ? mesh.at(mesh.nodes.indexOf(at) + 1) : at
  const grants = step.isHonest ? heldBy(parent, step) : step.grants
  const sandbox = sandboxOf(grants)
  const context = {
    argv: ['make'],
    cwd: null,
    envNames: [],
    containment: 'os',
    role: 'devops',
    grants: grants.map(formatGrant),
    node: to.self,
    gpu: null,
    labels: {}
  }
  const principal = { kind: 'process', pid: parent.pid } as const
  const id = mesh.nextTask()
  to.started = null
  const start: GateRequest =
    step.path === 'spawn'
      ? { principal, action: 'agent.spawn', resource: 'agent:child', context }
      : { principal, action: 'task.submit', resource: `task:${id}`, context, command: ['make'] }
  try {
    await at.gate.authorizeWith(start, [])
  } catch {
    return null
  }
  if (step.path === 'spawn')
    to.begin(sandbox, { name: 'child', requester: `process:${parent.pid}` })
  else await at.offer(to, id, sandbox)
  return to.started === null ? null : to
}

/** What of its wishes it may hand on: those who ask for more are refused, and nothing is learnt of the others. */
function heldBy({ sandbox }: Rights, { path, grants }: Step): readonly Grant[] {
  const isOfMachine = ({ kind }: Grant): boolean => kind.startsWith('fs.') || kind === 'env'
  return grants.filter((grant) => {
    const isLeft = grant.kind === 'secret' || (path === 'delegate' && isOfMachine(grant))
    return !isLeft && areGrantsWithin([grant], sandbox.grants)
  })
}

interface Step {
  readonly path: Path
  readonly isHonest: boolean
  readonly grants: readonly Grant[]
}

const TEXTS =
  'exec:make exec:* spawn delegate:n0 delegate:n1 delegate:n2 delegate:* tool:a tool:b tool:* ' +
  'net:a.example:443 net:*:443 net:*:* secret:A env:A ' +
  'fs.read:/srv fs.write:/srv fs.read:/srv/a fs.write:/srv/a fs.read:/srv-2'
const POOL = TEXTS.split(' ').map(parseGrant)
const some = fc.subarray(POOL, { maxLength: 8 })
// Most roots may start things, or nothing would be tried.
const rich = fc.tuple(some, fc.boolean()).map(([grants, isRich]) => {
  return isRich ? [...['exec:*', 'spawn', 'delegate:*'].map(parseGrant), ...grants] : grants
})
const step: fc.Arbitrary<Step> = fc.record({
  path: fc.constantFrom(...PATHS),
  isHonest: fc.boolean(),
  grants: rich
})

/** So that none is left to chance. */
const STARTING = 'exec:* spawn delegate:* tool:*'.split(' ').map(parseGrant)
const EACH_ONCE = ROOTS.flatMap((how) =>
  PATHS.map((path): [Root, readonly Grant[], Step[]] => [
    how,
    STARTING,
    [{ path, isHonest: true, grants: POOL }]
  ])
)

describe('node/asking: every path that issues authority', () => {
  const taken = new Map<string, number>()

  it('gives a child no more than its parent has, hop after hop', async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...ROOTS),
      rich,
      fc.array(step, { minLength: 1, maxLength: 3 }),
      async (how, grants, steps) => {
        const mesh = new Mesh()
        let at = await root(mesh, how, sandboxOf(grants))
        for (const one of steps) {
          const parent = at.started
          if (parent === null) return
          const next = await hop(mesh, at, parent, one)
          if (next === null) continue
          const child = next.started
          assert.ok(child !== null && child !== parent)
          assert.ok(areGrantsWithin(child.sandbox.grants, parent.sandbox.grants))
          taken.set(`${how} ${one.path}`, (taken.get(`${how} ${one.path}`) ?? 0) + 1)
          // Not only on paper: its token holds for no act that the parent has no right to.
          for (const wish of POOL) {
            const why = await next.authority.objection(child, [wish])
            if (why !== null) continue
            assert.ok(parent.sandbox.grants.some((held) => isGrantWithin(wish, held)))
          }
          at = next
        }
      }
    )
    await fc.assert(property, { numRuns: 80, examples: EACH_ONCE })
    for (const how of ROOTS) {
      for (const path of PATHS) assert.ok((taken.get(`${how} ${path}`) ?? 0) > 0, `${how} ${path}`)
    }
  }).timeout(60_000)

  it('a token narrows even where what is written beside it says more', async () => {
    const mesh = new Mesh()
    const at = await root(mesh, 'agent', sandboxOf([parseGrant('tool:a'), parseGrant('spawn')]))
    const parent = at.started
    assert.ok(parent !== null)
    const forged = { ...parent, pid: pid(99), parent, sandbox: sandboxOf([parseGrant('tool:*')]) }
    assert.equal(await at.authority.objection(forged, [parseGrant('tool:a')]), null)
    assert.notEqual(await at.authority.objection(forged, [parseGrant('tool:b')]), null)
  })

  it('who is no member any more has given nothing (attack 9)', async () => {
    for (const how of ['task', 'remote agent'] as const) {
      const mesh = new Mesh()
      const grants = [parseGrant('tool:a'), parseGrant('spawn')]
      const at = await root(mesh, how, sandboxOf(grants))
      const process = at.started
      assert.ok(process !== null)
      await hop(mesh, at, process, {
        path: 'spawn',
        isHonest: false,
        grants: [parseGrant('tool:a')]
      })
      const child = at.started
      assert.ok(child !== null && child !== process)
      for (const one of [process, child]) {
        assert.equal(await at.authority.objection(one, [parseGrant('tool:a')]), null)
      }
      mesh.members.delete(mesh.at(0).self)
      for (const one of [process, child]) {
        assert.match((await at.authority.objection(one, [parseGrant('tool:a')])) ?? '', /no member/)
      }
    }
  })

  it('who has ended asks for nothing, and hands on nothing', async () => {
    const mesh = new Mesh()
    const at = await root(mesh, 'agent', sandboxOf(POOL))
    const parent = at.started
    assert.ok(parent !== null)
    const id = mesh.nextTask()
    at.book.submitted(id, parent.pid)
    at.book.end(parent)
    assert.equal(await hop(mesh, at, parent, { path: 'spawn', isHonest: false, grants: [] }), null)
    const claims = { task: id, epoch: epoch(1), node: mesh.at(1).self, grants: POOL }
    await assert.rejects(at.authority.forTask(claims), { code: 'GOVERNANCE_CAPABILITY_INVALID' })
  })
})
