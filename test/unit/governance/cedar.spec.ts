import assert from 'node:assert/strict'
import fc from 'fast-check'
import { millis, parseGrant, pid } from '../../../core/index.ts'
import {
  ACTIONS,
  CedarPolicy,
  createGate,
  grantRequest,
  loadCedar,
  ROLES,
  shippedSources
} from '../../../governance/index.ts'
import type { Action, CedarEngine, GateRequest, Principal } from '../../../governance/index.ts'
import { readRules } from '../../../governance/rules.ts'
import { shippedSchema } from '../../../governance/shipped.ts'
import { MemoryLedger } from '../../doubles/ledger.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { kit, readAs, source } from './cedar-kit.ts'

const owner: Principal = { kind: 'owner' }
const member: Principal = { kind: 'member', nodeId: testNode(2) }
const agent = (role: string, name = 'reviewer'): Principal => ({ kind: 'agent', name, role })

/** Of the others it is a node. */
const RESOURCES: Readonly<Record<string, string>> = {
  'agent.spawn': 'agent:a',
  'agent.stop': 'agent:a',
  'approval.decide': 'approval:7@x',
  'blob.get': 'blob:00',
  'blob.pin': 'blob:00',
  'chain.redact': 'entry:00',
  'delegate.use': 'delegate:gpu',
  'env.pass': 'variable:PATH',
  'exec.use': 'program:git',
  'fs.read': 'path:/srv/project',
  'fs.write': 'path:/srv/project',
  'ipc.send': 'agent:a',
  'memory.read': 'memory:k',
  'memory.write': 'memory:k',
  'mesh.approve': 'mesh:m',
  'mesh.invite': 'mesh:m',
  'mesh.join': 'mesh:m',
  'mesh.leave': 'mesh:m',
  'mesh.signatures': 'mesh:m',
  'net.connect': 'host:example.com:443',
  'policy.apply': 'policy:home',
  'process.attach': 'process:3@x',
  'process.exec': 'process:3@x',
  'process.signal': 'process:3@x',
  'process.spawn': 'process:3@x',
  'process.uncontained': 'task:t',
  'secret.read': 'secret:s',
  'secret.write': 'secret:s',
  'spawn.use': 'spawn:any',
  'task.accept': 'task:t',
  'task.cancel': 'task:t',
  'task.signal': 'task:t',
  'task.submit': 'task:t',
  'tool.call': 'tool:t',
  'tool.use': 'tool:t'
}
const CONTEXT = {
  argv: ['ls'],
  cwd: null,
  envNames: [],
  epoch: 1,
  signal: 'SIGTERM',
  role: 'untrusted',
  signatures: 2,
  labels: ['tier=fast'],
  removed: [],
  digest: '00',
  change: 'set',
  action: 'task.submit',
  requester: 'user:local',
  isOwnRequest: false,
  containment: 'os'
}

function request(
  principal: Principal,
  action: Action,
  more: Partial<GateRequest> = {}
): GateRequest {
  return { principal, action, resource: RESOURCES[action] ?? 'node:x', context: CONTEXT, ...more }
}

function exec(role: string, argv: readonly string[], containment = 'os'): GateRequest {
  return request(agent(role), 'process.exec', {
    resource: 'agent:reviewer',
    context: { ...CONTEXT, argv: [...argv], containment }
  })
}

describe('governance/cedar', () => {
  it('the shipped policies fit the shipped schema, whole and without a warning', async () => {
    const engine = await loadCedar()
    const groups = engine.useSchema(shippedSchema())
    for (const action of Object.keys(ACTIONS)) assert.ok(groups.has(action), `${action} is missing`)
    for (const action of groups.keys()) {
      assert.ok(
        Object.hasOwn(ACTIONS, action) || ['work', 'govern', 'start', 'grant'].includes(action),
        `${action} is in the schema alone`
      )
    }
    const rules = readRules(engine, shippedSources())
    const texts = Object.fromEntries(rules.map(({ id, text }) => [id, text]))
    assert.deepEqual(engine.validate(texts), [])
    for (const { id } of rules) assert.match(id, /^(?:base|role)\./)
    for (const role of ROLES) assert.ok(rules.some(({ id }) => id.startsWith(`role.${role}.`)))
  })

  it('base.cedar: the owner may everything, members share work, others and processes nothing', async () => {
    const { policy, facts } = await kit()
    await policy.ready()
    const shared = new Set([
      'agent.spawn',
      'agent.stop',
      'blob.get',
      'process.attach',
      'process.signal',
      'process.spawn',
      'task.accept',
      'task.cancel',
      'task.signal',
      'tool.call',
      'tool.use'
    ])
    for (const action of Object.keys(ACTIONS) as Action[]) {
      const may = (principal: Principal): boolean =>
        policy.decide(request(principal, action)).verdict === 'allow'
      facts.roleOf = () => 'member'
      assert.equal(may(owner), true, `${action} by the owner`)
      assert.equal(may(member), shared.has(action), `${action} by a member`)
      assert.equal(may({ kind: 'stranger', nodeId: testNode(3) }), false)
      assert.equal(may({ kind: 'stranger', nodeId: null }), false)
      assert.equal(may({ kind: 'process', pid: pid(3) }), false)
      assert.equal(may(agent('no-such-role')), false)
      facts.roleOf = () => null
      assert.equal(may(member), false, `${action} by a node that is no member any more`)
    }
  })

  it('a role that is taken away is gone at the next decision', async () => {
    const { policy, facts } = await kit()
    await policy.ready()
    const ask = request(member, 'policy.apply', { resource: 'policy:mesh' })
    facts.roleOf = () => 'admin'
    assert.equal(policy.decide(ask).verdict, 'allow')
    facts.roleOf = () => 'member'
    assert.equal(policy.decide(ask).verdict, 'deny')
  })

  it('nobody approves their own request from another node', async () => {
    const { policy, facts } = await kit()
    await policy.ready()
    facts.roleOf = () => 'admin'
    const ask = request(member, 'approval.decide')
    assert.equal(policy.decide(ask).verdict, 'allow')
    const own = { ...ask, context: { ...CONTEXT, isOwnRequest: true } }
    assert.equal(policy.decide(own).rule, 'base.nobody-approves-their-own-request')
  })

  it('neither the home nor what holds it is ever granted, not even by the owner', async () => {
    const { policy } = await kit()
    await policy.ready()
    for (const path of ['/home/me/.weaver', '/home/me/.weaver/policy', '/home/me', '/']) {
      for (const principal of [owner, agent('coder')]) {
        const ask = request(principal, 'fs.read', { resource: `path:${path}` })
        assert.equal(policy.decide(ask).rule, 'base.home-is-never-granted', path)
      }
    }
    const near = request(owner, 'fs.read', { resource: 'path:/home/me/.weaver-2' })
    assert.equal(policy.decide(near).verdict, 'allow')
  })

  it('roles: a reviewer may not rm, a coder is asked, and no risk is missed by another spelling', async () => {
    const { policy, facts } = await kit()
    await policy.ready()
    const verdict = (role: string): string => policy.decide(exec(role, ['rm', '-rf', '/'])).verdict
    facts.analyse = readAs({ risks: ['destroys'] })
    assert.deepEqual(ROLES.map(verdict), ['deny', 'ask', 'deny', 'ask', 'ask', 'deny'])
    facts.analyse = readAs({ risks: ['destroys', 'exfiltrates'] })
    assert.deepEqual(new Set(ROLES.map(verdict)), new Set(['deny']))
    facts.analyse = readAs({ isAnalysable: false })
    assert.deepEqual(ROLES.map(verdict), ['deny', 'ask', 'deny', 'ask', 'ask', 'deny'])
    facts.analyse = readAs({})
    assert.deepEqual(new Set(ROLES.map(verdict)), new Set(['allow']))
    for (const role of ROLES) {
      assert.equal(policy.decide(exec(role, ['ls'], 'none')).verdict, 'deny', `${role} uncontained`)
    }
  })

  it('a command that was cut for the record counts as not read', async () => {
    const { policy } = await kit()
    await policy.ready()
    const cut = exec('coder', ['ls'])
    assert.equal(policy.decide(cut).verdict, 'allow')
    const context = { ...cut.context, argvCut: 3 }
    assert.equal(policy.decide({ ...cut, context }).rule, 'role.coder.asks-unread')
    assert.equal(policy.decide({ ...cut, context, command: ['ls'] }).verdict, 'allow')
  })

  it('a default denial carries the line that grants it, and the line does', async () => {
    const argv = ['sh', '-c', `echo "it's" \\ \u0007`]
    const before = await kit()
    await before.policy.ready()
    const ask = exec('reviewer', argv)
    before.facts.analyse = readAs({ isAnalysable: false })
    const { rule, hint } = before.policy.decide(ask)
    assert.equal(rule, 'policy.default-deny')
    const line = /^weaver policy add '(.*)'$/s.exec(hint)?.[1]?.replaceAll(`'\\''`, `'`)
    assert.ok(line !== undefined, hint)
    const after = await kit([source(line)])
    after.facts.analyse = readAs({ isAnalysable: false })
    await after.policy.ready()
    assert.equal(after.policy.decide(ask).verdict, 'allow')
    assert.equal(after.policy.decide(exec('reviewer', ['sh', '-c', 'echo'])).verdict, 'deny')
  })

  it('each grant is an act, and says what of the machine it opens', () => {
    const of = (text: string): string => {
      const { action, resource } = grantRequest(agent('coder'), parseGrant(text))
      return `${action} ${resource}`
    }
    assert.deepEqual(
      [
        'fs.write:/srv/a=/in',
        'net:Example.com:443',
        'net:[::1]:*',
        'env:A',
        'secret:s',
        'tool:t'
      ].map(of),
      [
        'fs.write path:/srv/a',
        'net.connect host:example.com:443',
        'net.connect host:::1:*',
        'env.pass variable:A',
        'secret.read secret:s',
        'tool.use tool:t'
      ]
    )
    assert.deepEqual(['exec:git', 'spawn', 'ipc:7@x', 'ipc:bob', 'delegate:gpu'].map(of), [
      'exec.use program:git',
      'spawn.use spawn:any',
      'ipc.send process:7@x',
      'ipc.send agent:bob',
      'delegate.use delegate:gpu'
    ])
  })

  it('a folder that only begins like a permitted one is not in it', async () => {
    const { policy } = await kit([
      source(
        'permit (principal == Weft::Agent::"reviewer", action == Weft::Action::"fs.write", resource in Weft::Path::"/srv");'
      )
    ])
    await policy.ready()
    const verdict = (path: string): string =>
      policy.decide(request(agent('untrusted'), 'fs.write', { resource: `path:${path}` })).verdict
    assert.equal(verdict('/srv'), 'allow')
    assert.equal(verdict('/srv/a/b'), 'allow')
    for (const path of [
      '/srv-2',
      '/srv/../etc',
      '/srv/',
      '//srv',
      '/etc/srv',
      'srv/a',
      '/srv/a/..'
    ]) {
      assert.equal(verdict(path), 'deny', path)
    }
  })
})

describe('governance/cedar under faults', () => {
  const erring = source(
    '@id("mine.bad") forbid (principal, action == Weft::Action::"task.submit", resource) when { context.epoch > 3 };'
  )

  it('a policy that reads what may be missing is not taken', async () => {
    const { policy } = await kit([erring])
    await policy.ready()
    const { rule, hint } = policy.decide(request(owner, 'task.submit'))
    assert.equal(rule, 'policy.unusable')
    assert.match(hint, /mine\.bad.*epoch/s)
  })

  it('an error in a policy denies, whatever else permits (P1)', async () => {
    const overflow = source(
      '@id("mine.big") forbid (principal, action == Weft::Action::"mesh.signatures", resource) when { context.signatures * 9223372036854775807 > 3 };'
    )
    const { policy } = await kit([overflow])
    await policy.ready()
    const decision = policy.decide(request(owner, 'mesh.signatures'))
    assert.equal(decision.verdict, 'deny')
    assert.equal(decision.rule, 'policy.evaluation-error')
    assert.match(decision.errors?.[0] ?? '', /mine\.big.*overflow/)
  })

  it('a request that does not fit the schema is denied', async () => {
    const { policy } = await kit()
    await policy.ready()
    for (const more of [
      { resource: 'tool:t' },
      { resource: 'world:all' },
      { context: { ...CONTEXT, argv: [1] } },
      { context: { ...CONTEXT, argv: [] } },
      { command: ['x'.repeat(200_000)] }
    ]) {
      const { verdict, rule } = policy.decide(request(owner, 'task.submit', more))
      assert.equal(verdict, 'deny')
      assert.match(rule, /^policy\.(?:schema-mismatch|request-invalid)$/)
    }
  })

  it('an engine that cannot be loaded denies everything, and the record says why', async () => {
    const { policy } = await kit([], {
      loadEngine: () => Promise.reject(new Error('no such file'))
    })
    const ledger = new MemoryLedger()
    const gate = createGate({ ledger, policy })
    for (const action of ['task.submit', 'policy.apply', 'kernel.stop'] as const) {
      await assert.rejects(gate.authorize(request(owner, action)), {
        code: 'GOVERNANCE_DENIED',
        message: /gate\.policy-unavailable/
      })
    }
    assert.match(JSON.stringify(ledger.entries), /no such file/)
  })

  it('an engine that breaks off denies, and stays broken (E1)', async () => {
    const real = await loadCedar()
    let isBroken = false
    const engine: CedarEngine = Object.assign(Object.create(real) as CedarEngine, {
      useSchema: (text: string, read?: string) => real.useSchema(text, read),
      parse: (text: string) => real.parse(text),
      prepare: (texts: Record<string, string>) => real.prepare(texts),
      decide: (slot: string, call: Parameters<CedarEngine['decide']>[1]) => {
        if (isBroken) throw new Error('unreachable executed')
        return real.decide(slot, call)
      }
    })
    const { policy } = await kit([], { loadEngine: async () => engine })
    const gate = createGate({ ledger: new MemoryLedger(), policy })
    await gate.authorize(request(owner, 'kernel.stop'))
    isBroken = true
    await assert.rejects(gate.authorize(request(owner, 'kernel.stop')), {
      message: /gate\.policy-error/
    })
  })

  it('an engine that was loaded early decides by the texts of the first decision', async () => {
    let loads = 0
    let text = ''
    const { policy } = await kit([], {
      loadEngine: () => {
        loads += 1
        return loadCedar()
      },
      texts: async () => ({ sources: [{ name: 'home', text, isBuiltIn: false }], refused: null })
    })
    await policy.load()
    assert.equal(policy.isLoaded(), false)
    text = '@id("no-stop") forbid (principal, action == Weft::Action::"kernel.stop", resource);'
    await policy.ready()
    assert.equal(policy.decide(request(owner, 'kernel.stop')).verdict, 'deny')
    assert.equal(loads, 1)
  })

  it('a decision that takes too long is a denial; one pause of the machine is not', async () => {
    const real = await loadCedar()
    let pauses = Infinity
    const made = await kit([], {
      loadEngine: async () =>
        Object.assign(Object.create(real) as CedarEngine, {
          useSchema: (text: string, read?: string) => real.useSchema(text, read),
          parse: (text: string) => real.parse(text),
          prepare: (texts: Record<string, string>) => real.prepare(texts),
          decide: (slot: string, call: Parameters<CedarEngine['decide']>[1]) => {
            if (pauses-- > 0) made.now = millis(made.now + 300)
            return real.decide(slot, call)
          }
        })
    })
    await made.policy.ready()
    assert.equal(made.policy.decide(request(owner, 'kernel.stop')).rule, 'policy.too-slow')
    pauses = 1
    assert.equal(made.policy.decide(request(owner, 'kernel.stop')).verdict, 'allow')
  })

  const unusable: readonly (readonly [string, string, RegExp])[] = [
    ['that is no Cedar', 'permit (everything);', /line 1/],
    ['that is huge', `// ${'x'.repeat(300_000)}`, /bytes, at most/],
    [
      'with brackets without end',
      `permit (principal, action, resource) when { ${'('.repeat(5000)}`,
      /brackets inside/
    ],
    ['with too many policies', 'permit(principal,action,resource);'.repeat(2001), /at most 2000/],
    [
      'that names what the schema lacks',
      'permit (principal == Weft::God::"x", action, resource);',
      /God/
    ],
    [
      'with a mistyped @ask',
      '@aks("?") forbid (principal, action, resource);',
      /no annotation @aks/
    ],
    [
      'that asks in a permit',
      '@ask("?") permit (principal, action, resource);',
      /before forbid only/
    ],
    [
      'that calls itself base',
      '@id("base.mine") permit (principal, action, resource);',
      /weaver's own/
    ],
    ['with a template', 'permit (principal == ?principal, action, resource);', /not used here/],
    [
      'with one name twice',
      '@id("a") permit (principal, action, resource); @id("a") forbid (principal, action, resource);',
      /@id\("a"\) is also in/
    ]
  ]
  for (const [what, text, why] of unusable) {
    it(`a set ${what} is refused whole, and then only its owner's mending is allowed (K1)`, async () => {
      const { policy } = await kit([source(text)])
      await policy.ready()
      const decision = policy.decide(request(owner, 'task.submit'))
      assert.equal(decision.rule, 'policy.unusable')
      assert.match(decision.hint, why)
      assert.equal(policy.decide(request(owner, 'policy.apply')).verdict, 'allow')
      assert.equal(policy.decide(request(owner, 'kernel.stop')).verdict, 'allow')
      assert.equal(policy.decide(request(member, 'kernel.stop')).verdict, 'deny')
      await policy.take([])
      assert.equal(policy.decide(request(owner, 'task.submit')).verdict, 'allow')
      await assert.rejects(policy.take([source(text)]), { code: 'GOVERNANCE_POLICY_INVALID' })
      assert.equal(policy.decide(request(owner, 'task.submit')).verdict, 'allow')
    })
  }
})

describe('governance/cedar slices', () => {
  it('deciding over a slice is deciding over all policies (P3)', async () => {
    const engine = await loadCedar()
    const groups = engine.useSchema(shippedSchema())
    const facts = (await kit()).facts
    facts.processOf = (number) => ({ agent: `a${number % 3}`, role: ROLES[number % 6] ?? 'reader' })
    facts.roleOf = (node) =>
      node === testNode(2) ? 'admin' : node === testNode(4) ? 'member' : null
    const clock = { now: () => millis(0) }
    const effects = fc.constantFrom('permit', 'forbid', '@ask("why?") forbid')
    const principals = fc.constantFrom(
      'principal',
      'principal == Weft::Agent::"a1"',
      'principal in Weft::Agent::"a1"',
      'principal in Weft::Role::"coder"',
      'principal is Weft::Process',
      'principal is Weft::Agent in Weft::Role::"tester"',
      'principal in Weft::MeshRole::"admin"',
      'principal == Weft::User::"local"'
    )
    const actions = fc.constantFrom(
      'action',
      'action in Weft::Action::"work"',
      'action == Weft::Action::"tool.call"',
      'action in [Weft::Action::"fs.read", Weft::Action::"govern"]'
    )
    const texts = fc.array(fc.tuple(effects, principals, actions), { maxLength: 8 })
    const who: fc.Arbitrary<Principal> = fc.constantFrom<Principal[]>(
      owner,
      member,
      { kind: 'member', nodeId: testNode(4) },
      { kind: 'stranger', nodeId: null },
      agent('coder', 'a1'),
      agent('tester', 'a2'),
      { kind: 'process', pid: pid(1) },
      { kind: 'process', pid: pid(7) }
    )
    const what = fc.constantFrom<Action[]>('tool.call', 'fs.read', 'mesh.evict', 'task.accept')
    fc.assert(
      fc.property(
        texts,
        fc.array(fc.tuple(who, what), { minLength: 6, maxLength: 6 }),
        (some, asks) => {
          const text = some
            .map(([effect, one, two]) => `${effect} (${one}, ${two}, resource);`)
            .join('\n')
          const rules = readRules({ parse: (each) => engine.parse(each), validate: () => [] }, [
            ...shippedSources(),
            source(text)
          ])
          const sliced = new CedarPolicy({ engine, facts, clock }, { rules, groups })
          // The same rules, but with scopes that say nothing, so that no slice leaves one out.
          const whole = new CedarPolicy(
            { engine, facts, clock },
            {
              rules: rules.map((rule) => ({ ...rule, actions: null, principal: { op: 'all' } })),
              groups
            }
          )
          for (const [principal, action] of asks) {
            assert.deepEqual(
              sliced.decide(request(principal, action)),
              whole.decide(request(principal, action))
            )
          }
          sliced.close()
          whole.close()
        }
      ),
      { numRuns: 40 }
    )
  })
})
