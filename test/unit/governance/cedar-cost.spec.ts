// Goal: no policy that is taken can hold the kernel up. The language has no loops, so what is left is size: a set as
// large as may be of the dearest condition, smaller ones of others, against arguments as long as may be.

import assert from 'node:assert/strict'
import {
  ARGUMENTS_BYTES_MAX,
  DECISION_TIME_MAX_MS,
  POLICY_BYTES_MAX
} from '../../../governance/limits.ts'
import type { GateRequest } from '../../../governance/index.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { kit, source } from './cedar-kit.ts'

const member = { kind: 'member', nodeId: testNode(2) } as const
const stop: GateRequest = {
  principal: { kind: 'owner' },
  action: 'kernel.stop',
  resource: 'node:x',
  context: {}
}

function submission(argv: readonly string[]): GateRequest {
  const context = { argv: [...argv], cwd: null, envNames: [], containment: 'os' }
  return { principal: member, action: 'task.submit', resource: 'task:t', context, command: argv }
}

const CONDITIONS: readonly (readonly [what: string, condition: string, countMax: number])[] = [
  ['patterns with hundreds of stars', `context.line like "${'*a'.repeat(300)}*z"`, 1900],
  ['long lists to look in', `context.arguments.containsAny([${'"x",'.repeat(400)}"y"])`, 50],
  ['deep nesting', `${'!('.repeat(50)}context.line == "x"${')'.repeat(50)}`, 200]
]

describe('governance/cedar: what is dear', function () {
  this.timeout(60_000)
  for (const [what, condition, countMax] of CONDITIONS) {
    it(`a set full of ${what} decides in time, or denies, and the next act is decided`, async () => {
      const one = (at: number): string =>
        `@id("mine.${at}") permit (principal, action == Weft::Action::"task.submit", resource) when { ${condition} };\n`
      const count = Math.min(countMax, Math.floor((POLICY_BYTES_MAX - 1000) / one(1000).length))
      const texts = Array.from({ length: count }, (_, at) => one(at))
      const { policy } = await kit([source(texts.join(''))])
      await policy.ready()
      assert.equal(policy.refusal(), null)
      const argv = Array.from({ length: 300 }, () => 'a'.repeat(ARGUMENTS_BYTES_MAX / 400))
      const from = process.cpuUsage()
      const { verdict, rule } = policy.decide(submission(argv))
      const { user } = process.cpuUsage(from)
      assert.notEqual(verdict, 'ask')
      if (rule === 'policy.too-slow') assert.equal(verdict, 'deny')
      // Generous: a busy machine, and code that was never run before.
      assert.ok(user / 1000 < 20 * DECISION_TIME_MAX_MS, `${user / 1000} ms of a core`)
      assert.equal(policy.decide(stop).verdict, 'allow')
    })
  }
})
