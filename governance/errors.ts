import { WeaverError } from '../core/index.ts'
import { ACTIONS, isAction } from './action.ts'
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

/** `delegate a task, task:abc: sh -c 'echo hi'`: the act in words, with the command where it has one. */
function askedText(request: GateRequest): string {
  const action: string = request.action
  const what = isAction(action) ? ACTIONS[action].what : `do '${action.slice(0, 64)}'`
  const argv: unknown = request.context['argv']
  const command = Array.isArray(argv)
    ? `: ${argv.map((item) => quoted(String(item))).join(' ')}`
    : ''
  const text = `${what}, ${request.resource}${command}`
  return text.length <= ASKED_LENGTH_MAX ? text : `${text.slice(0, ASKED_LENGTH_MAX)}...`
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
