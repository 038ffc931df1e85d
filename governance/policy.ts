// What a policy answers, and the plainest policy there is: the one that base.cedar says in Cedar, for kernels
// without the engine (the simulator, unit tests).

import { unreachable } from '../core/index.ts'
import type { Action } from './action.ts'
import type { GateRequest } from './request.ts'

export interface Decision {
  /** `ask`: an approval, and nothing else, would allow it. */
  readonly verdict: 'allow' | 'deny' | 'ask'
  /** The rule that decided, `policy.rule-name`: stable, so that records can be searched for it. */
  readonly rule: string
  /** How a denied act could be granted: one sentence or command for people. Empty when allowed. */
  readonly hint: string
  /** Every rule that had a part in it, where there was more than one. */
  readonly rules?: readonly string[]
  /** What went wrong while deciding; then the verdict is `deny`. */
  readonly errors?: readonly string[]
}

/** Decides. No I/O; equal requests under equal facts get equal decisions. A throw is a denial. */
export interface Policy {
  decide(request: GateRequest): Decision
  /** Awaited before each decision: an engine that is loaded late. A rejection is a denial. */
  ready?(): Promise<void>
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
  'tool.call',
  'tool.use'
])

const STARTS: ReadonlySet<Action> = new Set<Action>(['agent.spawn', 'process.spawn', 'task.accept'])

/** Only who owns a machine says what acts there as more than somebody nobody vouches for. */
function isInRole({ action, context }: GateRequest): boolean {
  const role = STARTS.has(action) ? (context['role'] ?? 'untrusted') : 'untrusted'
  return role !== 'untrusted'
}

/** An image shows what its owner keeps in it: who else may have it, a policy says. */
function hasImage({ action, context }: GateRequest): boolean {
  return STARTS.has(action) && context['image'] !== undefined
}

export const ownerAndMembers: Policy = {
  decide: (request) => {
    switch (request.principal.kind) {
      case 'owner':
        return { verdict: 'allow', rule: 'first.owner-may', hint: '' }
      case 'member':
        if (MEMBER_ACTIONS.has(request.action) && !isInRole(request) && !hasImage(request)) {
          return { verdict: 'allow', rule: 'first.members-share-work', hint: '' }
        }
        return {
          verdict: 'deny',
          rule: 'first.members-share-work-only',
          hint: 'do it with weaver on that machine itself, where its owner may'
        }
      case 'agent':
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
