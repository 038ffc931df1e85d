// Goal: a role that is called within another gets nothing from the shipped policies that the other does not.
// Method: the real engine decides drawn requests for both; an ask counts as less than an allow.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isRoleWithin, RISKS, ROLES } from '../../../governance/index.ts'
import type { Action, GateRequest } from '../../../governance/index.ts'
import { pid } from '../../../core/index.ts'
import { kit, readAs } from './cedar-kit.ts'

const RANK = { deny: 0, ask: 1, allow: 2 }
const ACTS: readonly (readonly [Action, string])[] = [
  ['process.exec', 'task:0123456789abcdef'],
  ['agent.spawn', 'agent:x'],
  ['task.submit', 'task:0123456789abcdef'],
  ['tool.call', 'tool:hash'],
  ['fs.read', 'path:/srv'],
  ['fs.write', 'path:/srv'],
  ['net.connect', 'host:example.com:443'],
  ['env.pass', 'variable:A'],
  ['secret.read', 'secret:A'],
  ['tool.use', 'tool:hash'],
  ['exec.use', 'program:make'],
  ['spawn.use', 'spawn:any'],
  ['ipc.send', 'agent:x'],
  ['delegate.use', 'delegate:gpu'],
  ['process.uncontained', 'task:0123456789abcdef'],
  ['policy.apply', 'policy:home'],
  ['secret.write', 'secret:A'],
  ['mesh.invite', 'mesh:x']
]

describe('governance/roles', () => {
  it('is a partial order; a role that nobody ships is within itself alone', () => {
    const roles = [...ROLES, 'emperor', 'toString', '__proto__']
    for (const one of roles) {
      assert.ok(isRoleWithin(one, one))
      for (const two of roles) {
        if (one !== two && isRoleWithin(one, two)) assert.ok(!isRoleWithin(two, one))
        for (const three of roles) {
          if (isRoleWithin(one, two) && isRoleWithin(two, three))
            assert.ok(isRoleWithin(one, three))
        }
      }
    }
    assert.ok(!isRoleWithin('emperor', 'devops') && !isRoleWithin('reader', 'emperor'))
    assert.ok(isRoleWithin(null, 'reader') && !isRoleWithin('reader', null))
  })

  it('what is within gets nothing that the other does not, by the shipped policies', async () => {
    const { policy, facts } = await kit()
    await policy.ready()
    const role = fc.constantFrom(...ROLES)
    const situation = fc.record({
      act: fc.constantFrom(...ACTS),
      risks: fc.subarray([...RISKS], { maxLength: 3 }),
      isAnalysable: fc.boolean(),
      writes: fc.subarray(['/srv/a']),
      hosts: fc.subarray(['example.com']),
      containment: fc.constantFrom('os', 'none'),
      hasGrant: fc.boolean()
    })
    fc.assert(
      fc.property(
        role,
        role,
        situation,
        (child, parent, { act, containment, hasGrant, ...read }) => {
          fc.pre(isRoleWithin(child, parent))
          facts.analyse = readAs(read)
          const rank = (own: string): number => {
            facts.processOf = () => ({ agent: 'a', role: own })
            const context = {
              argv: ['x'],
              cwd: null,
              envNames: [],
              containment,
              digest: '0',
              change: 'set',
              ...(hasGrant ? { grant: 'tool:hash' } : {})
            }
            const [action, resource] = act
            const principal = { kind: 'process', pid: pid(1) } as const
            const request: GateRequest = { principal, action, resource, context }
            return RANK[policy.decide(request).verdict]
          }
          assert.ok(rank(child) <= rank(parent), `${act[0]}: ${child} gets more than ${parent}`)
        }
      ),
      { numRuns: 1500 }
    )
  })
})
