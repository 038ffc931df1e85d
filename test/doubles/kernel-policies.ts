// Policies and approvals of the fake kernel: one rule, and one approval that waits.

import { WeaverError } from '../../core/index.ts'
import type {
  Approval,
  MeshPolicyView,
  PolicyCheck,
  PolicyCheckRequest,
  PolicyLockView,
  PolicyText,
  PolicyValidation,
  PolicyView
} from '../../node/api/index.ts'

export const APPROVAL: Approval = {
  id: '7@laptop',
  node: 'laptop',
  action: 'task.submit',
  principal: 'user:local',
  what: 'delegate a task, task:x: git push',
  hash: 'ab'.repeat(32),
  requestedAt: 1_800_000_000_000,
  expiresAt: 1_800_000_600_000,
  state: 'pending',
  why: 'this publishes',
  argv: ['git', 'push'],
  cwd: null,
  environment: ['TOKEN'],
  files: [{ path: '/usr/bin/git', digest: 'cd'.repeat(32) }],
  destinations: ['task.submit task:x'],
  decidedBy: null
}

const RULE = {
  id: 'base.owner-may',
  source: 'base.cedar',
  effect: 'permit',
  ask: null,
  words: 'the owner of this home may do anything',
  text: 'permit (principal == Weft::User::"local", action, resource);'
} as const

export class FakePolicies {
  readonly policyCalls: unknown[][] = []

  async policy(): Promise<PolicyView> {
    return {
      state: 'in-force',
      refused: null,
      lock: 'none',
      drift: [],
      mesh: null,
      engine: 'cedar 0',
      rules: [RULE]
    }
  }

  async checkPolicy(asked: PolicyCheckRequest): Promise<PolicyCheck> {
    this.policyCalls.push(['check', asked])
    return {
      decision: 'deny',
      rules: ['policy.default-deny'],
      errors: [],
      hint: 'weaver policy add'
    }
  }

  async validatePolicy(text: PolicyText): Promise<PolicyValidation> {
    this.policyCalls.push(['validate', text])
    return { ok: false, policies: 0, problems: ['line 1: it is no policy'] }
  }

  async applyPolicy(text: string): Promise<MeshPolicyView> {
    this.policyCalls.push(['apply', text])
    return { version: 1, by: 'laptop', madeAt: 0, digest: '00' }
  }

  async addPolicy(text: string): Promise<PolicyView> {
    this.policyCalls.push(['add', text])
    return this.policy()
  }

  async reloadPolicy(): Promise<PolicyView> {
    return this.policy()
  }

  async lockPolicy(): Promise<PolicyLockView> {
    return { sources: [{ name: 'base.cedar', digest: '00' }], rules: '00' }
  }

  async approvals(): Promise<readonly Approval[]> {
    return [APPROVAL]
  }

  async approval(id: string): Promise<Approval> {
    if (id !== '8') return APPROVAL
    throw new WeaverError('NODE_APPROVAL_NOT_FOUND', `Cannot find approval '${id}'`)
  }

  async decideApproval(
    id: string,
    decision: { readonly approve: boolean; readonly hash: string | null }
  ): Promise<Approval> {
    this.policyCalls.push(['decide', id, decision])
    return { ...APPROVAL, state: decision.approve ? 'approved' : 'denied', decidedBy: 'user:local' }
  }
}
