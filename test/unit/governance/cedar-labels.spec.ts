import assert from 'node:assert/strict'
import type { GateRequest, Principal } from '../../../governance/index.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { kit, source } from './cedar-kit.ts'

const HOME = `
  @id("no-prod") forbid (principal, action == Weft::Action::"mesh.label", resource)
  when { context.labels.contains("tier=prod") || context.removed.contains("tier") };
  @id("anybody") permit (principal, action == Weft::Action::"mesh.label", resource);`

function giving(
  principal: Principal,
  labels: readonly string[],
  removed: readonly string[] = []
): GateRequest {
  const context = { labels: [...labels], removed: [...removed] }
  return { principal, action: 'mesh.label', resource: `node:${testNode(2)}`, context }
}

describe('governance/cedar: labels of nodes', () => {
  it('a policy may say which labels nobody gives or takes away, the owner included', async () => {
    const { policy } = await kit([source(HOME)])
    await policy.ready()
    const owner: Principal = { kind: 'owner' }
    assert.equal(policy.decide(giving(owner, ['tier=fast'])).verdict, 'allow')
    assert.equal(policy.decide(giving(owner, ['site=attic', 'tier=prod'])).rule, 'no-prod')
    assert.equal(policy.decide(giving(owner, [], ['tier'])).rule, 'no-prod')
  })

  it('no policy lets an agent give any', async () => {
    const { policy } = await kit([source(HOME)])
    await policy.ready()
    const agent: Principal = { kind: 'agent', name: 'a', role: 'devops' }
    const { verdict, rule } = policy.decide(giving(agent, ['tier=fast']))
    assert.equal(verdict, 'deny')
    assert.equal(rule, 'base.agents-do-not-govern')
  })

  it('a request that does not say which is denied', async () => {
    const { policy } = await kit()
    await policy.ready()
    const owner: Principal = { kind: 'owner' }
    const bare = { ...giving(owner, []), context: { labels: ['tier=fast'] } }
    assert.equal(policy.decide(bare).verdict, 'deny')
  })
})
