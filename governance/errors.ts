import { WeaverError } from '../core/index.ts'
import { ACTIONS, isAction } from './action.ts'
import { commandLine } from './command-line.ts'
import type { Decision } from './policy.ts'
import { principalText } from './request.ts'
import type { GateRequest } from './request.ts'

const ASKED_LENGTH_MAX = 200

/** The gate said no. `detail` has the rule, who asked, what exactly, and how it could be granted. */
export class DeniedError extends WeaverError {
  constructor(request: GateRequest, decision: Decision) {
    const asked = askedText(request)
    const who = principalText(request.principal)
    const { rule } = decision
    super(
      'GOVERNANCE_DENIED',
      `Denied: ${who} may not ${asked}${circumstancesText(request)} (rule ${rule})`,
      {
        retry: 'never',
        detail: {
          rule,
          principal: who,
          action: request.action.slice(0, 64),
          asked,
          hint: decision.hint
        }
      }
    )
  }
}

/** The policy asks for an approval, and the caller does not wait for it. Asked again, once it is given, it goes. */
export class ApprovalPendingError extends WeaverError {
  constructor(request: GateRequest, reference: string) {
    super(
      'GOVERNANCE_APPROVAL_PENDING',
      `Cannot ${askedText(request)} yet: it waits for approval ${reference}`,
      {
        retry: 'later',
        detail: {
          approval: reference,
          hint: `weaver approvals show ${reference}, then approve it, then ask again`
        }
      }
    )
  }
}

/** Too many requests wait for approval already. */
export class ApprovalsFullError extends WeaverError {
  constructor(limit: number) {
    super('GOVERNANCE_APPROVALS_FULL', `Cannot ask for approval: ${limit} requests wait already`, {
      retry: 'later',
      detail: { hint: 'weaver approvals list shows them' }
    })
  }
}

/** What would run is not what was approved: something of it was swapped since. */
export class ApprovalChangedError extends WeaverError {
  constructor(reference: string, what: string) {
    super(
      'GOVERNANCE_APPROVAL_CHANGED',
      `Cannot start what approval ${reference} was for: ${what}`,
      {
        detail: { hint: 'look at what has changed, then ask again' }
      }
    )
  }
}

/** There is no such approval, or it can no longer be decided. */
export class ApprovalNotDecidableError extends WeaverError {
  constructor(reference: string, why: string) {
    super('GOVERNANCE_APPROVAL_NOT_DECIDABLE', `Cannot decide approval ${reference}: ${why}`, {
      detail: { hint: 'weaver approvals list shows what waits' }
    })
  }
}

/** The decision could not be made durable, so the act is refused, whatever the policy said. */
export class UnrecordedError extends WeaverError {
  constructor(request: GateRequest, cause: unknown) {
    super(
      'GOVERNANCE_UNRECORDED',
      `Denied: cannot record the decision about ${askedText(request)} in this node's chain`,
      {
        retry: 'later',
        cause,
        detail: { hint: 'see `weaver kernel logs` and free space on the disk of its home' }
      }
    )
  }
}

/** A policy, or the schema, cannot be used as it is written. `detail.problems` has every reason, one a line. */
export class PolicyInvalidError extends WeaverError {
  constructor(problems: readonly string[], where = 'the policies') {
    const first = problems[0] ?? 'it is unknown why'
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
    super('GOVERNANCE_POLICY_INVALID', `Cannot use ${where}: ${first}${more}`, {
      detail: {
        problems: problems.slice(0, 50).join('\n'),
        hint: 'docs/policy.md shows the language and what a policy can see of a request'
      }
    })
  }
}

/** The policy engine cannot be loaded, or failed inside. Whatever was asked is denied. */
export class EngineFailedError extends WeaverError {
  constructor(why: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super('GOVERNANCE_ENGINE_FAILED', `Cannot decide with the policy engine: ${why}: ${reason}`, {
      cause,
      detail: { hint: 'weaver kernel restart; reinstall weftos if that does not help' }
    })
  }
}

/** What the same act would have been decided without: members may run a command, but in no role and no image. */
function circumstancesText({ context }: GateRequest): string {
  const said = ['role', 'image'].flatMap((name) => {
    const value = context[name]
    return typeof value === 'string' ? [`in ${name} ${value.slice(0, 64)}`] : []
  })
  return said.length === 0 ? '' : `, ${said.join(' and ')}`
}

/** `delegate a task, task:abc: sh -c 'echo hi'`: the act in words, with the command where it has one. */
export function askedText(request: GateRequest): string {
  const action: string = request.action
  const what = isAction(action) ? ACTIONS[action].what : `do '${action.slice(0, 64)}'`
  const argv: unknown = request.context['argv']
  const command = Array.isArray(argv) ? `: ${commandLine(argv.map(String))}` : ''
  const text = `${what}, ${request.resource}${command}`
  return text.length <= ASKED_LENGTH_MAX ? text : `${text.slice(0, ASKED_LENGTH_MAX)}...`
}
