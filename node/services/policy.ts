// Policies for the control API.

import { nodeId, pid, WeaverError } from '../../core/index.ts'
import { ACTIONS, DEFAULT_ROLE, ruleWords } from '../../governance/index.ts'
import type { Action, GateRequest, Principal, Rule } from '../../governance/index.ts'
import type { PolicyCheckRequest, PolicyRule, PolicySummary, PolicyView } from '../api/index.ts'
import { gpuContext } from '../agent-gate.ts'
import type { PolicyKeeper } from '../policy-keeper.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type PolicyOperations = Pick<
  KernelService,
  | 'policy'
  | 'checkPolicy'
  | 'validatePolicy'
  | 'applyPolicy'
  | 'addPolicy'
  | 'reloadPolicy'
  | 'lockPolicy'
>

export function policyOperations(rooms: Rooms): PolicyOperations {
  const keeper = (): PolicyKeeper => keeperOf(rooms)
  return {
    policy: () => policyView(rooms),
    checkPolicy: (asked) => check(rooms, asked),
    validatePolicy: async ({ name, text }) => {
      try {
        const rules = await keeper().validate(name, text)
        return { ok: true, policies: rules.length, problems: [] }
      } catch (error) {
        const isProblem = error instanceof WeaverError && error.code === 'GOVERNANCE_POLICY_INVALID'
        if (!isProblem) throw error
        const problems = String(error.detail['problems'] ?? error.message).split('\n')
        return { ok: false, policies: 0, problems }
      }
    },
    applyPolicy: async (text) => {
      const { version, by, madeAt, digest } = await keeper().applyToMesh(rooms, text)
      rooms.policyExchange?.announce()
      return { version, by: rooms.mesh.nameOf(by), madeAt, digest }
    },
    addPolicy: async (text) => {
      await keeper().add(rooms, text)
      return policyView(rooms)
    },
    reloadPolicy: async () => {
      await keeper().reload(rooms)
      return policyView(rooms)
    },
    lockPolicy: async () => {
      const { sources, rules } = await keeper().lock(rooms)
      return { sources: sources.map((source) => ({ ...source })), rules }
    }
  }
}

/** For `kernel status` and `weaver doctor`. Null where this kernel has no policies of Cedar's. */
export function policySummary({ policies }: Pick<Rooms, 'policies'>): PolicySummary | null {
  if (policies === null) return null
  const { refused, lock, drift, mesh } = policies.state()
  // Before the first decision nothing is in force yet, and a lock that does not fit will keep it so.
  const isRefused = refused !== null || (lock === 'drifted' && !policies.policy.isLoaded())
  return {
    state: isRefused ? 'refused' : 'in-force',
    lock,
    drift,
    meshVersion: mesh?.version ?? null
  }
}

function keeperOf({ policies }: Rooms): PolicyKeeper {
  if (policies !== null) return policies
  throw new WeaverError('NODE_NO_POLICIES', 'Cannot look at policies: this kernel has none')
}

async function policyView(rooms: Rooms): Promise<PolicyView> {
  const keeper = keeperOf(rooms)
  const rules = await keeper.rules()
  const { refused, lock, drift, mesh } = keeper.state()
  return {
    state: refused === null ? 'in-force' : 'refused',
    refused,
    lock,
    drift,
    mesh:
      mesh === null
        ? null
        : {
            version: mesh.version,
            by: rooms.mesh.nameOf(mesh.by),
            madeAt: mesh.madeAt,
            digest: mesh.digest
          },
    engine: `cedar ${await keeper.policy.engineVersion()}`,
    rules: rules.map(ruleView)
  }
}

function ruleView(rule: Rule): PolicyRule {
  const { id, source, effect, ask, text } = rule
  return { id, source, effect, ask, text, words: ruleWords(rule) }
}

async function check(
  rooms: Rooms,
  asked: PolicyCheckRequest
): Promise<Awaited<ReturnType<PolicyOperations['checkPolicy']>>> {
  const { policy } = keeperOf(rooms)
  await policy.ready()
  const action = actionOf(asked.action)
  const principal = principalOf(rooms, asked)
  const request: GateRequest = {
    principal,
    action,
    resource: asked.resource ?? usualResource(rooms, action, asked.principal),
    context: {
      argv: [...asked.argv],
      cwd: asked.cwd,
      envNames: [],
      containment: asked.containment,
      ...(asked.image === null ? {} : { image: asked.image }),
      ...gpuContext(asked.gpu),
      // What else an act must say, where a check has nothing to say: the narrowest of each.
      epoch: 1,
      signal: 'SIGTERM',
      ...(action === 'mesh.role' ? { role: 'member' } : {}),
      ...(action === 'mesh.label' ? { labels: [], removed: [] } : {}),
      signatures: 1,
      digest: '',
      change: 'set',
      pinned: false,
      action: 'task.submit',
      requester: 'user:local',
      isOwnRequest: false
    }
  }
  const { verdict, rule, rules, errors, hint } = policy.decide(request)
  return {
    decision: verdict,
    rules: [...(rules ?? [rule])],
    errors: [...(errors ?? [])],
    hint: hint === '' ? null : hint
  }
}

function actionOf(text: string): Action {
  const name = text === 'exec' ? 'process.exec' : text
  const found = Object.keys(ACTIONS).find((action): action is Action => action === name)
  if (found !== undefined) return found
  throw new WeaverError(
    'NODE_UNKNOWN_ACTION',
    `Cannot check '${text.slice(0, 64)}': there is no such action`,
    { detail: { hint: `actions are ${Object.keys(ACTIONS).join(', ')}` } }
  )
}

function principalOf(rooms: Rooms, { principal, role }: PolicyCheckRequest): Principal {
  const colon = principal.indexOf(':')
  const kind = colon === -1 ? principal : principal.slice(0, colon)
  const name = colon === -1 ? '' : principal.slice(colon + 1)
  switch (kind) {
    case 'user':
      return { kind: 'owner' }
    case 'agent': {
      const known = rooms.facts.agentRole(name)
      return { kind: 'agent', name, role: role ?? known ?? DEFAULT_ROLE }
    }
    case 'node':
      return { kind: 'member', nodeId: resolveNode(rooms.mesh, name) }
    case 'process':
      if (!/^[1-9]\d{0,14}$/.test(name)) throw unknownPrincipal(principal)
      return { kind: 'process', pid: pid(Number(name)) }
    case 'stranger':
      return { kind: 'stranger', nodeId: name === '' ? null : nodeId(name) }
    default:
      throw unknownPrincipal(principal)
  }
}

function unknownPrincipal(principal: string): WeaverError {
  return new WeaverError(
    'NODE_UNKNOWN_PRINCIPAL',
    `Cannot check for '${principal.slice(0, 64)}': there is no such principal`,
    { detail: { hint: 'write user:local, agent:NAME, node:NAME, process:PID or stranger' } }
  )
}

/** Where a check names none. Of `process.exec` it is whoever asks. */
function usualResource(rooms: Rooms, action: Action, principal: string): string {
  const [form = ''] = ACTIONS[action].resource.split(' ')
  if (action === 'process.exec') return principal.startsWith('agent:') ? principal : 'process:0'
  if (form.startsWith('task:')) return 'task:any'
  if (form.startsWith('process:')) return 'process:0'
  if (form.startsWith('node:')) return `node:${rooms.self}`
  if (form.startsWith('mesh:')) return `mesh:${rooms.mesh.meshId() ?? 'none'}`
  if (form.startsWith('policy:')) return 'policy:home'
  if (form.startsWith('spawn:')) return 'spawn:any'
  throw new WeaverError(
    'NODE_RESOURCE_NEEDED',
    `Cannot check ${action}: say of what, as ${ACTIONS[action].resource}`,
    { detail: { hint: 'give it with --resource' } }
  )
}
