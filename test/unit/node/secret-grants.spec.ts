// Goal: a secret reaches the process that was granted it, on whichever node, and nothing and nobody else.

import assert from 'node:assert/strict'
import { DEFAULT_SANDBOX, parseGrant, pid, taskId, utf8, epoch } from '../../../core/index.ts'
import type { Cbor } from '../../../core/index.ts'
import { createGate, ownerAndMembers } from '../../../governance/index.ts'
import { secretsService, withSecrets } from '../../../node/secret-grants.ts'
import type { SpawnRequest } from '../../../agents/index.ts'
import type { RpcRequest } from '../../../mesh/index.ts'
import { FakeProcessHost } from '../../doubles/fake-process-host.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { testNode } from '../../doubles/peer-directory.ts'

const [self, origin, other] = [testNode(1), testNode(2), testNode(3)]
const task = taskId('0123456789abcdef')
const granted = { ...DEFAULT_SANDBOX, grants: [parseGrant('secret:API_KEY'), parseGrant('env:X')] }
const run = { node: origin, taskId: task, epoch: epoch(2) }
const request: SpawnRequest = {
  pid: pid(1),
  command: ['true'],
  env: { A: 'b' },
  cwd: null,
  sandbox: granted,
  io: null
}

function notFound(name: string): Error {
  return Object.assign(new Error(`no ${name}`), { code: 'GOVERNANCE_SECRET_NOT_FOUND' })
}

describe('node/secret-grants', () => {
  let processes: FakeProcessHost
  const asked: unknown[] = []
  const secrets = {
    read: async (name: string) => {
      if (name === 'API_KEY') return utf8('own-secret-value')
      throw notFound(name)
    }
  }
  const rpc = {
    call: async (...call: readonly unknown[]): Promise<unknown> => {
      asked.push(call.slice(0, 4))
      return { value: utf8('their-secret-value') }
    }
  }

  beforeEach(() => {
    processes = new FakeProcessHost()
    asked.length = 0
  })

  const spawned = async (more: Partial<SpawnRequest> = {}): Promise<SpawnRequest> => {
    const host = withSecrets({ self, processes, secrets, rpc })
    await host.spawn({ ...request, ...more })
    const started = processes.started.at(-1)
    assert.ok(started)
    return started.request
  }

  it('puts this node’s own secret into the environment, and out of the output', async () => {
    const { env, outputFilter } = await spawned()
    assert.deepEqual(env, { A: 'b', API_KEY: 'own-secret-value' })
    const filter = outputFilter?.()
    const out = [filter?.push(utf8('<own-secret-value>')), filter?.end()]
    assert.equal(Buffer.concat(out.map((part) => part ?? utf8(''))).toString(), '<[redacted]>')
    assert.deepEqual(asked, [])
  })

  it('asks the origin of a task of another node, for that very run', async () => {
    const { env } = await spawned({ secretsOf: run })
    assert.equal(env['API_KEY'], 'their-secret-value')
    const body = { name: 'API_KEY', taskId: task, epoch: 2 }
    assert.deepEqual(asked, [[origin, 'secrets', 'read', body]])
  })

  it('changes nothing without a grant, and starts nothing without the secret', async () => {
    assert.deepEqual((await spawned({ sandbox: DEFAULT_SANDBOX })).env, { A: 'b' })
    const sandbox = { ...DEFAULT_SANDBOX, grants: [parseGrant('secret:NOPE')] }
    await assert.rejects(spawned({ sandbox }), { code: 'GOVERNANCE_SECRET_NOT_FOUND' })
    assert.equal(processes.started.length, 1)
  })

  for (const value of [Uint8Array.of(65, 0, 66), Uint8Array.of(0xff, 0xfe, 65)]) {
    it(`refuses bytes that no variable can hold: ${value.join(' ')}`, async () => {
      const host = withSecrets({ self, processes, secrets: { read: async () => value }, rpc })
      await assert.rejects(host.spawn(request), { code: 'NODE_SECRET_NOT_TEXT' })
    })
  }

  describe('what the origin hands over (S1)', () => {
    const view = { executor: other, epoch: 2, state: 'running', sandbox: granted }
    const serve = async (
      shown: object,
      {
        peer = other,
        method = 'read',
        ...body
      }: Record<string, Cbor> & { peer?: typeof other; method?: string } = {}
    ): Promise<{ readonly answer: Cbor; readonly kinds: readonly string[] }> => {
      const ledger = new MemoryLedger()
      const service = secretsService({
        origin: { show: () => ({ ...view, ...shown }) as never },
        secrets,
        gate: createGate({ ledger, policy: ownerAndMembers })
      })
      const whole = { name: 'API_KEY', taskId: task, epoch: 2, ...body }
      const call = { peer, method, body: whole } as unknown as RpcRequest
      return { answer: await service.serve(call), kinds: ledger.kinds }
    }

    it('is the value, decided and on record before', async () => {
      const { answer, kinds } = await serve({})
      assert.deepEqual(answer, { value: utf8('own-secret-value') })
      assert.deepEqual(kinds, ['policy.decision'])
    })

    const refused = { code: 'NODE_SECRET_REFUSED' }
    it('is nothing for a member that does not run the task', async () => {
      await assert.rejects(serve({}, { peer: self }), refused)
      await assert.rejects(serve({ executor: null }), refused)
      await assert.rejects(serve({ state: 'queued' }), refused)
      await assert.rejects(serve({ state: 'succeeded' }), refused)
    })

    it('is nothing for an older epoch, and nothing that was not granted', async () => {
      await assert.rejects(serve({ epoch: 3 }), refused)
      await assert.rejects(serve({ sandbox: DEFAULT_SANDBOX }), refused)
      await assert.rejects(serve({}, { name: 'OTHER' }), refused)
      await assert.rejects(serve({}, { method: 'list' }), { code: 'NODE_NO_SUCH_METHOD' })
      await assert.rejects(serve({}, { name: 7 }))
    })
  })
})
