// Goals: a lock says of the home's files what is so; an admin that turns against its mesh, and is evicted, leaves nothing behind that cannot be changed any more: no
// policy with a version that none can follow, and none that lets nobody else apply the next (attacks 8, 9).

import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { meshId, signerFromSeed, unixMillis } from '../../../core/index.ts'
import type { MeshId, NodeId, Signer } from '../../../core/index.ts'
import { systemEntropy } from '../../../core/system.ts'
import { createGate, signMeshPolicy } from '../../../governance/index.ts'
import { POLICY_VERSION_MAX, POLICY_VERSION_RESTART } from '../../../governance/limits.ts'
import { PolicyKeeper } from '../../../node/policy-keeper.ts'
import type { PolicyRooms } from '../../../node/policy-keeper.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

const MESH = meshId('ab'.repeat(32))
const OTHER = meshId('cd'.repeat(32))
const HARMLESS =
  '@id("team.one") forbid (principal, action == Weft::Action::"task.submit", resource) when { context.line == "echo one" };'
const newSigner = (): Signer => signerFromSeed(systemEntropy.bytes(32))

describe('node/policy-keeper', () => {
  const [own, good, hostile] = [newSigner(), newSigner(), newSigner()]
  let folder: string
  let admins: Set<NodeId>
  let keeper: PolicyKeeper
  let rooms: PolicyRooms
  let current: MeshId | null

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'weaver-keeper-'))
    current = MESH
    admins = new Set([own.nodeId, good.nodeId, hostile.nodeId])
    const roleOf = (node: string): 'admin' | null =>
      [...admins].some((admin) => admin === node) ? 'admin' : null
    const member = (node: string) =>
      roleOf(node) === null ? null : { nodeId: node, role: 'admin' }
    const mesh = {
      meshId: () => current,
      nodeId: own.nodeId,
      member,
      members: () => [...admins].map((nodeId) => ({ nodeId, role: 'admin' }))
    } as unknown as PolicyRooms['mesh']
    keeper = new PolicyKeeper(
      {
        store: new MemoryStore(),
        signer: own,
        clock: new VirtualClock(),
        log: silentLog,
        meshId: () => current,
        facts: {
          roleOf,
          processOf: () => null,
          agentRole: () => null,
          home: null,
          analyse: () => assert.fail('no command is decided')
        }
      },
      { folder }
    )
    const ledger = new MemoryLedger()
    const gate = createGate({ ledger, policy: keeper.policy })
    rooms = { gate, mesh, ledger: ledger as unknown as PolicyRooms['ledger'] }
    await keeper.open()
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function signed(by: Signer, version: number, text: string = HARMLESS): Uint8Array {
    return signMeshPolicy(by, { mesh: current ?? MESH, version, madeAt: unixMillis(1), text }).bytes
  }

  const receive = (bytes: Uint8Array): Promise<boolean> => keeper.receive(rooms, bytes)

  it('files that were locked are as they were locked, are added to and read anew; changed ones are not (N2)', async () => {
    const line = (id: string): string =>
      `@id("${id}") permit (principal, action == Weft::Action::"fs.read", resource);`
    await keeper.add(rooms, line('one'))
    assert.deepEqual([keeper.state().lock, keeper.state().drift], ['none', []])
    await keeper.lock(rooms)
    assert.deepEqual([keeper.state().lock, keeper.state().drift], ['ok', []])
    await keeper.add(rooms, line('two'))
    await keeper.reload(rooms)
    assert.deepEqual([keeper.state().lock, keeper.state().drift], ['ok', []])
    const added = (await keeper.rules()).filter(({ source }) => source === 'home/local.cedar')
    assert.deepEqual(
      added.map(({ id }) => id),
      ['one', 'two']
    )
    appendFileSync(join(folder, 'local.cedar'), line('three'))
    const drift = ['home/local.cedar has changed']
    assert.deepEqual([keeper.state().lock, keeper.state().drift], ['drifted', drift])
    const drifted = { code: 'NODE_POLICY_DRIFTED' }
    await assert.rejects(keeper.add(rooms, line('four')), drifted)
    await assert.rejects(keeper.reload(rooms), drifted)
    await keeper.lock(rooms)
    assert.deepEqual([keeper.state().lock, keeper.state().drift], ['ok', []])
  })

  it('takes no version beyond what there is', async () => {
    for (const version of [POLICY_VERSION_MAX + 1, Number.MAX_SAFE_INTEGER]) {
      await assert.rejects(receive(signed(hostile, version)), { code: 'GOVERNANCE_POLICY_INVALID' })
    }
    assert.equal(keeper.meshPolicy(), null)
  })

  it('the highest version gives way once its author is no admin, and to no older policy', async () => {
    await receive(signed(good, 3))
    assert.equal(await receive(signed(hostile, POLICY_VERSION_MAX)), true)
    await assert.rejects(keeper.applyToMesh(rooms, HARMLESS), { code: 'NODE_POLICY_NO_VERSION' })
    admins.delete(hostile.nodeId)
    assert.equal(keeper.offered(rooms.mesh), null, 'nobody is given it any more')
    assert.equal(await receive(signed(good, 3)), false, 'an old one that somebody kept')
    const { version } = await keeper.applyToMesh(rooms, HARMLESS)
    assert.equal(version, POLICY_VERSION_RESTART)
    assert.equal(await receive(signed(good, version + 1)), true)
    await assert.rejects(receive(signed(hostile, POLICY_VERSION_MAX)), {
      code: 'GOVERNANCE_DENIED'
    })
    assert.equal(keeper.meshPolicy()?.version, version + 1)
  })

  it('what another node applies anew is taken in the place of one that is void', async () => {
    await receive(signed(hostile, POLICY_VERSION_MAX))
    assert.equal(await receive(signed(good, POLICY_VERSION_RESTART)), false, 'not before')
    admins.delete(hostile.nodeId)
    assert.equal(await receive(signed(good, POLICY_VERSION_RESTART)), true)
  })

  it('none is taken that lets nobody apply the next, or its author alone (N4)', async () => {
    const act = 'action == Weft::Action::"policy.apply"'
    const alone = `forbid (principal is Weft::Node, ${act}, resource) unless { principal == Weft::Node::"${hostile.nodeId}" };`
    for (const text of [`forbid (principal, ${act}, resource);`, alone]) {
      await assert.rejects(receive(signed(hostile, 1, text)), { code: 'NODE_POLICY_LOCKS_OUT' })
    }
    assert.equal(keeper.meshPolicy(), null)
    assert.equal(await receive(signed(good, 1)), true)
  })

  it('that of a mesh which was left is none, and keeps out none of the next mesh (N5)', async () => {
    const has = async (id: string): Promise<boolean> => {
      await keeper.policy.ready()
      return keeper.policy.rules().some((rule) => rule.id === id)
    }
    await receive(signed(good, 3))
    assert.ok(await has('team.one'))
    for (const next of [null, OTHER]) {
      current = next
      assert.equal(keeper.meshPolicy(), null)
      assert.equal(keeper.offered(rooms.mesh), null)
      assert.ok(!(await has('team.one')), 'it decides nothing any more')
    }
    const other = HARMLESS.replace('team.one', 'team.two')
    assert.equal(await receive(signed(good, 1, other)), true, 'with a lower version')
    assert.ok(await has('team.two'))
    current = MESH
    assert.ok(!(await has('team.two')))
    assert.equal(await receive(signed(good, 3)), true)
  })
})
