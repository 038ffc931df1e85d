// Goal: an approval of an agent is for what was approved, until the moment it runs (attack 11). Real files are looked
// at; the start itself is held back where the swap comes after the permission.

import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentStore, createAgents } from '../../../agents/index.ts'
import type { Agents, ProcessHost } from '../../../agents/index.ts'
import { millis, pid } from '../../../core/index.ts'
import { Approvals, createGate } from '../../../governance/index.ts'
import { agentGate } from '../../../node/agent-gate.ts'
import { withApprovals } from '../../../node/approved-start.ts'
import { lookAtMachine } from '../../../node/machine-look.ts'
import { FakeProcessHost } from '../../doubles/fake-process-host.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { contained } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'

type SpawnSpec = Parameters<Agents['spawn']>[0]

describe('an agent that was approved', () => {
  let folder = ''
  let host: FakeProcessHost
  let approvals: Approvals
  let agents: Agents
  let clock: VirtualClock
  /** Called between the permission and the start. */
  let meanwhile: () => Promise<void>

  const at = (name: string): string => join(folder, name)

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-approved-'))
    await mkdir(at('work'))
    await writeFile(at('program'), '#!/bin/sh\necho good\n', { mode: 0o755 })
    await writeFile(at('evil'), '#!/bin/sh\necho evil\n', { mode: 0o755 })
    await symlink(at('program'), at('link'))
    host = new FakeProcessHost()
    clock = new VirtualClock()
    meanwhile = async () => {}
    ;({ approvals, agents } = await node(1))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  async function node(
    number: number
  ): Promise<{ readonly approvals: Approvals; readonly agents: Agents }> {
    const ledger = new MemoryLedger()
    const look: ConstructorParameters<typeof Approvals>[0]['look'] = (argv, options) =>
      lookAtMachine(argv, options, { kernelPath: '/usr/bin:/bin', imageId: async () => '' })
    const desk = new Approvals(
      { ledger, store: new MemoryStore(), clock, log: silentLog, look },
      { self: testNode(number), name: () => `node-${number}` }
    )
    await desk.start()
    const gate = createGate({
      ledger,
      policy: { decide: () => ({ verdict: 'ask', rule: 'mine.asks', hint: 'look at it' }) },
      approvals: desk
    })
    const confirming = withApprovals(host, {
      resourceOf: ({ pid: of }) => `agent:${made.list().find((it) => it.pid === of)?.name ?? ''}`,
      confirm: (resource) => desk.confirm(resource)
    })
    const slow: ProcessHost = {
      spawn: async (request) => {
        await meanwhile()
        return await confirming.spawn(request)
      }
    }
    let last = 0
    const made = createAgents({
      processes: slow,
      pids: { next: async () => pid(++last) },
      store: agentStore({ store: new MemoryStore(), log: silentLog }),
      gpus: { take: () => 'it has none' },
      gate: agentGate({
        gate,
        self: testNode(number),
        capabilities: { check: async () => ({ kind: 'refused', reason: 'none is asked for' }) },
        book: { keepAgentProof: () => {} }
      }),
      clock,
      prng: new SeededPrng(1),
      log: silentLog,
      onEvent: () => {}
    })
    await made.resume()
    return { approvals: desk, agents: made }
  }

  function spec(change: Partial<SpawnSpec> = {}): SpawnSpec {
    return {
      name: 'worker',
      runtime: 'custom',
      command: [at('link'), 'run'],
      env: { MODE: 'safe' },
      cwd: at('work'),
      sandbox: contained,
      restart: 'temporary',
      requester: 'user:local',
      ...change
    }
  }

  async function codeOf(work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.then(
      () => assert.fail('it was started'),
      (thrown: unknown) => thrown
    )
    assert.ok(error instanceof Error && 'code' in error, String(error))
    return String(error.code)
  }

  async function approved(): Promise<number> {
    assert.equal(await codeOf(agents.spawn(spec())), 'GOVERNANCE_APPROVAL_PENDING')
    const number = approvals.list().at(-1)?.number ?? 0
    approvals.decision(number, { approve: true, hash: null, by: 'user:local' })
    approvals.settle(number, true, 'user:local')
    return number
  }

  it('starts, once', async () => {
    await approved()
    await agents.spawn(spec())
    assert.equal(host.started.length, 1)
    await agents.stop('worker')
    assert.equal(await codeOf(agents.spawn(spec())), 'GOVERNANCE_APPROVAL_PENDING')
    assert.equal(host.started.length, 1)
  })

  const swaps: readonly (readonly [string, () => Promise<void>])[] = [
    ['the program', () => cp(at('evil'), at('program'))],
    ['the file at its place', () => rename(at('evil'), at('program'))],
    [
      'the symlink to it',
      async () => {
        await unlink(at('link'))
        await symlink(at('evil'), at('link'))
      }
    ],
    [
      'the folder',
      async () => {
        await rename(at('work'), at('work-before'))
        await mkdir(at('work'))
      }
    ],
    [
      'the folder by a link',
      async () => {
        await rename(at('work'), at('work-before'))
        await mkdir(at('other'))
        await symlink(at('other'), at('work'))
      }
    ]
  ]
  for (const [what, swap] of swaps) {
    it(`does not start when ${what} was swapped before it was asked again`, async () => {
      const number = await approved()
      await swap()
      assert.equal(await codeOf(agents.spawn(spec())), 'GOVERNANCE_APPROVAL_PENDING')
      assert.equal(approvals.show(number)?.state, 'approved', 'it is not taken for another thing')
      assert.equal(host.started.length, 0)
    })

    it(`does not start when ${what} is swapped after the permission`, async () => {
      await approved()
      meanwhile = swap
      assert.equal(await codeOf(agents.spawn(spec())), 'GOVERNANCE_APPROVAL_CHANGED')
      assert.equal(host.started.length, 0)
    })
  }

  for (const [what, change] of [
    ['a variable', { env: { MODE: 'wild' } }],
    ['one more variable', { env: { MODE: 'safe', LD_PRELOAD: '/tmp/x.so' } }],
    ['the containment', { sandbox: { ...contained, containment: 'none' } }],
    ['the requester', { requester: `node:${testNode(5)}` }],
    ['the name', { name: 'other' }]
  ] as const) {
    it(`does not start with ${what} swapped`, async () => {
      await approved()
      assert.equal(await codeOf(agents.spawn(spec(change))), 'GOVERNANCE_APPROVAL_PENDING')
      assert.equal(host.started.length, 0)
    })
  }

  it('does not start on another node, nor after the deadline', async () => {
    const number = await approved()
    const other = await node(2)
    assert.equal(await codeOf(other.agents.spawn(spec())), 'GOVERNANCE_APPROVAL_PENDING')
    clock.advanceTo(millis(clock.now() + 11 * 60_000))
    assert.equal(await codeOf(agents.spawn(spec())), 'GOVERNANCE_APPROVAL_PENDING')
    assert.equal(approvals.show(number)?.state, 'expired')
    assert.equal(host.started.length, 0)
  })
})
