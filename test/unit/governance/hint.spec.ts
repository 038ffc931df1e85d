import assert from 'node:assert/strict'
import type { GateRequest } from '../../../governance/index.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { kit, source } from './cedar-kit.ts'

describe('governance/hint', () => {
  it('a line to paste grants no other image, role or containment, and no long command any (W1)', async () => {
    const principal = { kind: 'member', nodeId: testNode(2) } as const
    const asked = (more: object, argv: readonly string[] = ['make']): GateRequest => {
      const context = { argv, cwd: null, envNames: [], epoch: 1, containment: 'os', ...more }
      return { principal, action: 'task.accept', resource: 'task:t', context }
    }
    const before = await kit()
    await before.policy.ready()
    before.facts.roleOf = () => 'member'
    const granted = async (request: GateRequest): Promise<(more: object) => string> => {
      const { hint } = before.policy.decide(request)
      const line = /^weaver policy add '(.*)'$/s.exec(hint)?.[1]
      assert.ok(line !== undefined, hint)
      const after = await kit([source(line)])
      after.facts.roleOf = () => 'member'
      await after.policy.ready()
      assert.equal(after.policy.decide(request).verdict, 'allow', line)
      return (more) => after.policy.decide(asked(more)).verdict
    }
    const withImage = await granted(asked({ image: 'localhost/a:1' }))
    assert.equal(withImage({ image: 'localhost/b:1' }), 'deny')
    assert.equal(withImage({ image: 'localhost/a:1', role: 'devops' }), 'deny')
    const withRole = await granted(asked({ role: 'coder' }))
    assert.equal(withRole({ role: 'devops' }), 'deny')
    assert.equal(withRole({ role: 'coder', image: 'localhost/a:1' }), 'deny')
    assert.equal(withRole({ role: 'coder', containment: 'none' }), 'deny')
    const long = asked({ role: 'coder' }, ['echo', 'x'.repeat(300)])
    const { verdict, hint } = before.policy.decide(long)
    assert.equal(verdict, 'deny')
    assert.match(hint, /too long for a line to paste/)
  })
})
