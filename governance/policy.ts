// The first policy: the owner of this home may, members may share work, nobody else may anything.
// Policies of the user's own come later and implement the same `Policy`.

import { unreachable } from '../core/index.ts'
import type { Action } from './action.ts'
import type { GateRequest } from './request.ts'

export interface Decision {
  readonly verdict: 'allow' | 'deny'
  /** The rule that decided, `policy.rule-name`: stable, so that records can be searched for it. */
  readonly rule: string
  /** How a denied act could be granted: one sentence or command for people. Empty when allowed. */
  readonly hint: string
}

/** Decides. Pure: no I/O, no clock; equal requests get equal decisions. A throw is a denial. */
export interface Policy {
  decide(request: GateRequest): Decision
}

/** What members may do here: delegate work both ways, call tools, and keep agents. */
const MEMBER_ACTIONS: ReadonlySet<Action> = new Set<Action>([
  'agent.spawn',
  'agent.stop',
  'blob.get',
  'process.attach',
  'process.signal',
  'process.spawn',
  'task.accept',
  'task.cancel',
  'task.signal',
  'tool.call'
])

export const ownerAndMembers: Policy = {
  decide: (request) => {
    switch (request.principal.kind) {
      case 'owner':
        return { verdict: 'allow', rule: 'first.owner-may', hint: '' }
      case 'member':
        if (MEMBER_ACTIONS.has(request.action)) {
          return { verdict: 'allow', rule: 'first.members-share-work', hint: '' }
        }
        return {
          verdict: 'deny',
          rule: 'first.members-share-work-only',
          hint: 'do it with weaver on that machine itself, where its owner may'
        }
      case 'process':
        return {
          verdict: 'deny',
          rule: 'first.processes-have-no-rights',
          hint: 'run the command yourself, outside the process: the owner of this home may'
        }
      case 'stranger':
        return {
          verdict: 'deny',
          rule: 'first.strangers-may-nothing',
          hint: 'make the machine a member: run `weaver mesh invite` here, and the line it prints there'
        }
      default:
        return unreachable(request.principal) // A throw is a denial.
    }
  }
}
