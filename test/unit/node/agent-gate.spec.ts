import assert from 'node:assert/strict'
import { parseGrant, pid } from '../../../core/index.ts'
import type { NodeId } from '../../../core/index.ts'
import { createGate, ownerAndMembers } from '../../../governance/index.ts'
import { agentGate } from '../../../node/agent-gate.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { contained } from '../../doubles/sandboxes.ts'

const self = testNode(1)
const peer = testNode(2)
const warrant = new Uint8Array([7])

describe('node/agent-gate', () => {
  it('an agent of another node proves its grants again under the next kernel, bound to that node', async () => {
    const { gate, ledger, shown, kept } = stage('held')
    await gate.authorizeSpawn(asked({ isResumed: true }))
    assert.deepEqual(shown, [
      { issuer: peer, task: null, epoch: null, node: self, grants: sandbox.grants }
    ])
    assert.deepEqual(kept, [[`node:${peer}`, 'ticker', warrant]])
    assert.ok(ledger.entries.some(({ kind }) => kind === 'policy.decision'))
  })

  it('one whose proof has run out is not started, and policy is not even asked', async () => {
    const { gate, ledger, kept } = stage('refused')
    await assert.rejects(gate.authorizeSpawn(asked({ isResumed: true })), {
      code: 'GOVERNANCE_CAPABILITY_INVALID',
      message: /what its node granted holds no more: it has run out/
    })
    assert.deepEqual(kept, [])
    assert.deepEqual(ledger.entries, [])
  })

  it('GPUs and the restart rule are part of what is decided, and so of what an approval is for', async () => {
    const { gate, ledger } = stage('held')
    await gate.authorizeSpawn(asked({ gpu: '1:24GB', restart: 'permanent' }))
    const said = JSON.stringify(ledger.entries.find(({ kind }) => kind === 'policy.decision'))
    assert.match(said, /"gpu":\{"vendor":null,"count":1,"memoryBytes":24000000000\}/)
    assert.match(said, /"restart":"permanent"/)
  })
})

type Ask = Parameters<ReturnType<typeof agentGate>['authorizeSpawn']>[0]
const sandbox = { ...contained, grants: [parseGrant('fs.read:/srv')] }

function asked(change: Partial<Ask>): Ask {
  return {
    requester: `node:${peer}`,
    pid: pid(4),
    name: 'ticker',
    runtime: 'custom',
    command: ['date'],
    env: {},
    cwd: null,
    sandbox,
    restart: 'temporary',
    restarts: 1,
    gpu: null,
    warrant,
    isResumed: false,
    ...change
  }
}

function stage(verdict: 'held' | 'refused'): {
  readonly gate: ReturnType<typeof agentGate>
  readonly ledger: MemoryLedger
  readonly shown: unknown[]
  readonly kept: (readonly [string, string, Uint8Array])[]
} {
  const ledger = new MemoryLedger()
  const shown: unknown[] = []
  const kept: (readonly [string, string, Uint8Array])[] = []
  const capabilities = {
    check: async (_: Uint8Array, claims: { readonly issuer: NodeId }) => {
      shown.push(claims)
      return verdict === 'held'
        ? ({ kind: 'held' } as const)
        : ({ kind: 'refused', reason: 'it has run out' } as const)
    }
  }
  const gate = agentGate({
    gate: createGate({ ledger, policy: ownerAndMembers }),
    self,
    capabilities,
    book: { keepAgentProof: (...all) => void kept.push(all) }
  })
  return { gate, ledger, shown, kept }
}
