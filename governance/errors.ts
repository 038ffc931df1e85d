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
    super(
      'GOVERNANCE_DENIED',
      `Denied: ${principalText(request.principal)} may not ${asked} (rule ${decision.rule})`,
      {
        retry: 'never',
        detail: {
          rule: decision.rule,
          principal: principalText(request.principal),
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

/** `delegate a task, task:abc: sh -c 'echo hi'`: the act in words, with the command where it has one. */
export function askedText(request: GateRequest): string {
  const action: string = request.action
  const what = isAction(action) ? ACTIONS[action].what : `do '${action.slice(0, 64)}'`
  const argv: unknown = request.context['argv']
  const command = Array.isArray(argv) ? `: ${commandLine(argv.map(String))}` : ''
  const text = `${what}, ${request.resource}${command}`
  return text.length <= ASKED_LENGTH_MAX ? text : `${text.slice(0, ASKED_LENGTH_MAX)}...`
}
