import assert from 'node:assert/strict'
import type { Action, GateRequest } from '../../../governance/index.ts'
import { kit, source } from './cedar-kit.ts'

const ONE = { vendor: null, count: 1, memoryBytes: null }
const LARGE = { vendor: 'nvidia', count: 2, memoryBytes: 24_000_000_000 }
const STARTS: readonly (readonly [Action, string])[] = [
  ['agent.spawn', 'agent:a'],
  ['process.exec', 'agent:a'],
  ['task.submit', 'task:t'],
  ['task.accept', 'task:t']
]

function asked(action: Action, resource: string, more: GateRequest['context'] = {}): GateRequest {
  const context = { argv: ['train'], cwd: null, envNames: [], epoch: 1, containment: 'os', ...more }
  return { principal: { kind: 'owner' }, action, resource, context }
}

async function verdicts(when: string): Promise<(gpu?: GateRequest['context'][string]) => string> {
  const rule = `@id("gpus") forbid (principal, action in Weft::Action::"start", resource) when { ${when} };`
  const { policy } = await kit([source(rule)])
  await policy.ready()
  return (gpu) => {
    const found = STARTS.map(([action, resource]) => {
      const { verdict } = policy.decide(asked(action, resource, gpu === undefined ? {} : { gpu }))
      return verdict
    })
    const all = new Set(found)
    return all.size === 1 ? (found[0] ?? '') : found.join(' ')
  }
}

describe('governance: GPUs', () => {
  it('every start that asks for GPUs says so to policies, how many and of what', async () => {
    const any = await verdicts('context has gpu')
    assert.deepEqual([any(), any(null), any(ONE), any(LARGE)], ['allow', 'allow', 'deny', 'deny'])
    const many = await verdicts('context has gpu && context.gpu.count > 1')
    assert.deepEqual([many(), many(ONE), many(LARGE)], ['allow', 'allow', 'deny'])
    const unnamed = await verdicts('context has gpu && context.gpu.vendor == ""')
    assert.deepEqual([unnamed(ONE), unnamed(LARGE)], ['deny', 'allow'])
    const large = await verdicts('context has gpu && context.gpu.memoryBytes >= 24000000000')
    assert.deepEqual([large(ONE), large(LARGE)], ['allow', 'deny'])
  })

  it('what cannot be read as GPUs is denied, not left out', async () => {
    const none = await verdicts('context has gpu && context.gpu.count > 64')
    for (const gpu of ['1', [], { count: 1 }, { ...ONE, count: 0.5 }]) {
      assert.equal(none(gpu), 'deny', JSON.stringify(gpu))
    }
    assert.equal(none(ONE), 'allow')
  })

  it('a line to paste grants no other GPUs than were asked for (W1)', async () => {
    const before = await kit()
    await before.policy.ready()
    const principal = { kind: 'agent', name: 'a', role: 'reader' } as const
    const wish = (more: GateRequest['context']): GateRequest => ({
      ...asked('task.accept', 'task:t', more),
      principal
    })
    for (const own of [{}, { gpu: ONE }, { gpu: LARGE }]) {
      const { hint } = before.policy.decide(wish(own))
      const line = /^weaver policy add '(.*)'$/s.exec(hint)?.[1]
      assert.ok(line !== undefined, hint)
      const { policy } = await kit([source(line)])
      await policy.ready()
      for (const other of [{}, { gpu: ONE }, { gpu: LARGE }]) {
        const expected = JSON.stringify(own) === JSON.stringify(other) ? 'allow' : 'deny'
        assert.equal(policy.decide(wish(other)).verdict, expected, line)
      }
    }
  })
})
