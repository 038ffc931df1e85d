// The one gate. Every privileged act asks here first.
//
// Invariants
//   G1. A permit exists only after its decision is durable in this node's lane.
//   G2. Whatever is not plainly allowed is denied: unknown action, unknown principal, a request that says
//       half of what it must, a policy that throws or answers nonsense, a lane that cannot be written.
//   G3. A denial is recorded too, and nothing that was to be recorded with the act.

import type { Cbor } from '../core/index.ts'
import { ACTIONS, isAction } from './action.ts'
import { DeniedError, UnrecordedError } from './errors.ts'
import type { Decision, Policy } from './policy.ts'
import type { EntryDraft, EntryRef, GateLedger } from './ports.ts'
import { decisionEntry } from './record.ts'
import type { GateRequest } from './request.ts'

export interface GateDeps {
  readonly ledger: GateLedger
  readonly policy: Policy
}

/** Nothing to set yet. */
export type GateOptions = Readonly<Record<string, never>>

/** The act may start. Its decision, and what was to be recorded with it, are durable. */
export interface Permit {
  readonly rule: string
  /** The `policy.decision` entry. */
  readonly decision: EntryRef
  /** One for each further entry, in order. */
  readonly entries: readonly EntryRef[]
}

/**
 * Both methods resolve only for an act that is allowed, after the record is durable; nothing is retried;
 * calls may overlap.
 * @throws WeaverError `GOVERNANCE_DENIED` with rule, ask and hint in `detail`; `GOVERNANCE_UNRECORDED`
 * when the lane cannot be written: what of it was recorded is then unknown.
 */
export interface Gate {
  authorize(request: GateRequest): Promise<Permit>
  /** Puts the decision and `more` into one durable append. A denial records the decision alone. */
  authorizeWith(request: GateRequest, more: readonly EntryDraft[]): Promise<Permit>
}

export function createGate(deps: GateDeps, _options: GateOptions = {}): Gate {
  const authorizeWith = async (
    request: GateRequest,
    more: readonly EntryDraft[]
  ): Promise<Permit> => {
    const decision = decide(deps.policy, request)
    const isAllowed = decision.verdict === 'allow'
    const entry = entryOf(request, decision)
    const refs = await recorded(deps.ledger, request, isAllowed ? [entry, ...more] : [entry])
    // From here the decision is durable (G1).
    if (!isAllowed) throw new DeniedError(request, decision)
    const [first, ...entries] = refs
    if (first === undefined || entries.length !== more.length) {
      throw new UnrecordedError(request, 'the ledger answered with too few references')
    }
    return { rule: decision.rule, decision: first, entries }
  }
  return { authorize: (request) => authorizeWith(request, []), authorizeWith }
}

const PRINCIPALS: ReadonlySet<string> = new Set(['owner', 'member', 'stranger', 'process'])

/** Total: never throws, and denies what it does not understand (G2). */
function decide(policy: Policy, request: GateRequest): Decision {
  if (!isAction(request.action)) {
    return denied('gate.unknown-action', 'ask for an act that this version knows')
  }
  if (!PRINCIPALS.has(request.principal.kind)) {
    return denied('gate.unknown-principal', 'ask over a connection that says who asks')
  }
  const missing = ACTIONS[request.action].needs.filter(
    (key) => !Object.hasOwn(request.context, key)
  )
  if (missing.length > 0 || request.resource === '') {
    const what = missing.length > 0 ? missing.join(', ') : 'a resource'
    return denied('gate.incomplete-request', `say ${what} in the request`)
  }
  try {
    const decision = policy.decide(request)
    const isKnown = decision.verdict === 'allow' || decision.verdict === 'deny'
    if (isKnown && decision.rule !== '') return decision
    return denied('gate.policy-error', 'the policy gave no usable answer: mend it')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return denied('gate.policy-error', `mend the policy, it failed: ${why}`)
  }
}

function denied(rule: string, hint: string): Decision {
  return { verdict: 'deny', rule, hint }
}

/** A request that cannot even be encoded is still recorded, without its context. */
function entryOf(request: GateRequest, decision: Decision): EntryDraft {
  try {
    return decisionEntry(request, decision)
  } catch {
    const context: Record<string, Cbor> = {}
    return decisionEntry({ ...request, context }, decision)
  }
}

async function recorded(
  ledger: GateLedger,
  request: GateRequest,
  drafts: readonly EntryDraft[]
): Promise<readonly EntryRef[]> {
  try {
    return await ledger.record(drafts)
  } catch (error) {
    throw new UnrecordedError(request, error)
  }
}
