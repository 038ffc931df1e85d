import assert from 'node:assert/strict'
import { ownerAndMembers } from '../../../governance/index.ts'
import type { Action, Principal } from '../../../governance/index.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { kit, source } from './cedar-kit.ts'

const CONTEXT = { argv: ['ls'], cwd: null, envNames: [], epoch: 1, containment: 'os' }
const IMAGE = 'localhost/tools:1'
const HOME = `@id("images")
permit (principal in Weft::MeshRole::"member", action == Weft::Action::"task.accept", resource)
when { context has image && context.image == "${IMAGE}" };`
const MEMBER: Principal = { kind: 'member', nodeId: testNode(2) }

// What is in an image of this machine was granted to nobody.
describe('governance: images', () => {
  it('members use none, unless a policy of the home permits that very one', async () => {
    const [plain, permitting] = [await kit(), await kit([source(HOME)])]
    for (const { facts } of [plain, permitting]) facts.roleOf = () => 'member'
    const { policy: opened } = permitting
    for (const policy of [plain.policy, opened, ownerAndMembers]) {
      await policy.ready?.()
      const verdict = (principal: Principal, action: Action, more: object = {}): string => {
        const resource = action === 'task.accept' ? 'task:t' : 'agent:a'
        const request = { principal, action, resource, context: { ...CONTEXT, ...more } }
        return policy.decide(request).verdict
      }
      assert.equal(verdict(MEMBER, 'task.accept'), 'allow')
      assert.equal(verdict({ kind: 'owner' }, 'task.accept', { image: IMAGE }), 'allow')
      const expected = policy === opened ? 'allow' : 'deny'
      assert.equal(verdict(MEMBER, 'task.accept', { image: IMAGE }), expected)
      assert.equal(verdict(MEMBER, 'task.accept', { image: 'localhost/other' }), 'deny')
      assert.equal(verdict(MEMBER, 'agent.spawn', { image: IMAGE }), 'deny')
    }
  })

  it('no role uses any', async () => {
    const { policy } = await kit()
    await policy.ready()
    for (const role of ['reader', 'coder', 'reviewer', 'tester', 'devops', 'untrusted']) {
      const verdict = (more: object): string => {
        const principal: Principal = { kind: 'agent', name: 'a', role }
        const context = { ...CONTEXT, ...more }
        const request = { principal, action: 'process.exec', resource: 'agent:a', context } as const
        return policy.decide(request).verdict
      }
      assert.notEqual(verdict({ image: IMAGE }), 'allow', role)
    }
  })
})
