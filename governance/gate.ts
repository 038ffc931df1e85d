// The one gate. Every privileged act asks here first.
//
// Invariants
//   G1. A permit exists only after its decision is durable in this node's lane.
//   G2. Whatever is not plainly allowed is denied: unknown action, unknown principal, a request that says
//       half of what it must, a policy that throws or answers nonsense, a lane that cannot be written.
//   G3. A denial is recorded too, and nothing that was to be recorded with the act. One that comes again is counted.
//   G4. Of requests that are decided together, all are allowed or none is.
//   G5. What needs an approval happens only with one for exactly what this machine sees at the last moment,
//       taken once, and only if the policy still asks no more than that.

import type { Cbor } from '../core/index.ts'
import { ACTIONS, isAction } from './action.ts'
import { ApprovalPendingError, DeniedError, UnrecordedError } from './errors.ts'
import type { Denials } from './denials.ts'
import { REQUESTS_MAX, RESOURCE_LENGTH_MAX, RULE_LENGTH_MAX } from './limits.ts'
import type { Decision, Policy } from './policy.ts'
import type { ApprovalDesk, EntryDraft, EntryRef, GateLedger } from './ports.ts'
import { decisionEntry } from './record.ts'
import { principalText } from './request.ts'
import type { GateRequest } from './request.ts'

export interface GateDeps {
  readonly ledger: GateLedger
  readonly policy: Policy
  /** Absent: what needs an approval is denied. */
  readonly approvals?: ApprovalDesk
  /** Absent: each denial is recorded by itself, however often it comes. */
  readonly denials?: Pick<Denials, 'isNew'>
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

/** Several acts may start. */
export interface Permits {
  /** One for each request, in order. */
  readonly decisions: readonly { readonly rule: string; readonly decision: EntryRef }[]
  /** One for each further entry, in order. */
  readonly entries: readonly EntryRef[]
  /** The approval that it was allowed by, where the policy asked for one. */
  readonly approval: string | null
}

/**
 * All methods resolve only for acts that are allowed, after the record is durable; nothing is retried;
 * calls may overlap. Where the policy asks for an approval, the act is refused for now: asked again after the
 * approval, exactly the same act is allowed, once.
 * @throws WeaverError `GOVERNANCE_DENIED` with rule, ask and hint in `detail`; `GOVERNANCE_UNRECORDED`
 * when the lane cannot be written: what of it was recorded is then unknown; `GOVERNANCE_APPROVAL_PENDING`
 * and `GOVERNANCE_APPROVALS_FULL` (later).
 */
export interface Gate {
  authorize(request: GateRequest): Promise<Permit>
  /** Puts the decision and `more` into one durable append. A denial records the decision alone. */
  authorizeWith(request: GateRequest, more: readonly EntryDraft[]): Promise<Permit>
  /** Decides all before anything starts, in one durable append: a spawn with its grants (G4). */
  authorizeAll(
    requests: readonly [GateRequest, ...GateRequest[]],
    more?: readonly EntryDraft[]
  ): Promise<Permits>
}

type Requests = readonly [GateRequest, ...GateRequest[]]

export function createGate(deps: GateDeps, _options: GateOptions = {}): Gate {
  const gate = new TheGate(deps)
  const authorizeWith: Gate['authorizeWith'] = async (request, more) => {
    const { decisions, entries } = await gate.authorizeAll([request], more)
    const [first] = decisions
    if (first === undefined) throw new UnrecordedError(request, 'there is no decision')
    return { ...first, entries }
  }
  return {
    authorize: (request) => authorizeWith(request, []),
    authorizeWith,
    authorizeAll: (requests, more = []) => gate.authorizeAll(requests, more)
  }
}

class TheGate {
  readonly #deps: GateDeps

  constructor(deps: GateDeps) {
    this.#deps = deps
  }

  async authorizeAll(requests: Requests, more: readonly EntryDraft[]): Promise<Permits> {
    const decisions = await this.#decideAll(requests)
    await this.#refuseDenied(requests, decisions)
    const asking = decisions.find(({ verdict }) => verdict === 'ask')
    if (asking === undefined) return this.#permits(requests, { decisions, more, approval: null })
    const approval = await this.#approval(requests, decisions)
    // Looking at the machine took a moment: the policy of now has the last word.
    const again = await this.#decideAll(requests)
    await this.#refuseDenied(requests, again)
    return this.#permits(requests, { decisions: again, more, approval })
  }

  async #decideAll(requests: Requests): Promise<readonly Decision[]> {
    const { policy } = this.#deps
    const failure = await readiness(policy)
    if (failure !== null) return requests.map(() => failure)
    if (requests.length > REQUESTS_MAX) {
      const hint = `ask for at most ${REQUESTS_MAX} things at once`
      return requests.map(() => denied('gate.too-many-requests', hint))
    }
    return requests.map((request) => decide(policy, request))
  }

  /** @throws WeaverError `GOVERNANCE_DENIED` after everything that was decided is durable (G3, G4) */
  async #refuseDenied(requests: Requests, decisions: readonly Decision[]): Promise<void> {
    const place = decisions.findIndex(({ verdict }) => verdict === 'deny')
    const decision = decisions[place]
    if (decision === undefined) return
    const request = requests[place] ?? requests[0]
    const entries = entriesOf(requests, decisions, null)
    if (this.#isNew(request, decision, entries)) await this.#record(requests[0], entries)
    throw new DeniedError(request, decision)
  }

  #isNew(request: GateRequest, { rule }: Decision, entries: readonly EntryDraft[]): boolean {
    const { action, resource } = request
    const principal = principalText(request.principal)
    const denial = {
      principal,
      action: action.slice(0, RULE_LENGTH_MAX),
      resource: resource.slice(0, RESOURCE_LENGTH_MAX),
      rule
    }
    return this.#deps.denials?.isNew(denial, entries) ?? true
  }

  async #permits(
    requests: Requests,
    {
      decisions,
      more,
      approval
    }: {
      readonly decisions: readonly Decision[]
      readonly more: readonly EntryDraft[]
      readonly approval: string | null
    }
  ): Promise<Permits> {
    const allowed = decisions.map(
      (decision) => ({ ...decision, verdict: 'allow', hint: '' }) as const
    )
    const drafts = [...entriesOf(requests, allowed, approval), ...more]
    const refs = await this.#record(requests[0], drafts)
    // From here the decisions are durable (G1).
    if (refs.length !== drafts.length) {
      throw new UnrecordedError(requests[0], 'the ledger answered with too few references')
    }
    return {
      decisions: allowed.flatMap(({ rule }, place) => {
        const decision = refs[place]
        return decision === undefined ? [] : [{ rule, decision }]
      }),
      entries: refs.slice(requests.length),
      approval
    }
  }

  /** Resolves with the approval that was taken for exactly this (G5). */
  async #approval(requests: Requests, decisions: readonly Decision[]): Promise<string> {
    const desk = this.#deps.approvals
    const asking = decisions.find(({ verdict }) => verdict === 'ask')
    const refuse = async (rule: string, hint: string): Promise<never> => {
      const all = decisions.map((each) => (each.verdict === 'ask' ? denied(rule, hint) : each))
      await this.#refuseDenied(requests, all)
      throw new DeniedError(requests[0], denied(rule, hint))
    }
    if (desk === undefined) return refuse('approval.nobody-here', 'this kernel takes no approvals')
    const seen = await desk.see(requests).catch((error: unknown) => String(error))
    if (typeof seen === 'string') return refuse('approval.unseen', seen)
    const found = desk.find(requests, seen)
    if (found?.state === 'approved') return found.reference
    if (found?.state === 'denied') {
      return refuse(
        'approval.denied',
        `weaver approvals show ${found.reference} says who denied it`
      )
    }
    const opened = desk.open(requests, seen, asking?.hint ?? '')
    if (opened.entry !== null) {
      try {
        await this.#record(requests[0], [...entriesOf(requests, decisions, null), opened.entry])
      } catch (error) {
        desk.drop(opened.number)
        throw error
      }
    }
    throw new ApprovalPendingError(requests[0], opened.reference)
  }

  async #record(request: GateRequest, drafts: readonly EntryDraft[]): Promise<readonly EntryRef[]> {
    try {
      return await this.#deps.ledger.record(drafts)
    } catch (error) {
      throw new UnrecordedError(request, error)
    }
  }
}

/** An engine that cannot be loaded denies everything (G2). */
async function readiness(policy: Policy): Promise<Decision | null> {
  if (policy.ready === undefined) return null
  try {
    await policy.ready()
    return null
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return denied('gate.policy-unavailable', `mend this first: ${why}`)
  }
}

const PRINCIPALS: ReadonlySet<string> = new Set(['owner', 'member', 'stranger', 'process', 'agent'])
const VERDICTS: ReadonlySet<string> = new Set(['allow', 'deny', 'ask'])

/** Total: never throws, and denies what it does not understand (G2). */
function decide(policy: Policy, request: GateRequest): Decision {
  if (!isAction(request.action)) {
    return denied('gate.unknown-action', 'ask for an act that this version knows')
  }
  if (!PRINCIPALS.has(request.principal.kind)) {
    return denied('gate.unknown-principal', 'ask over a connection that says who asks')
  }
  if (request.withheld !== undefined) return denied(request.withheld.rule, request.withheld.hint)
  const missing = ACTIONS[request.action].needs.filter(
    (key) => !Object.hasOwn(request.context, key)
  )
  if (missing.length > 0 || request.resource === '') {
    const what = missing.length > 0 ? missing.join(', ') : 'a resource'
    return denied('gate.incomplete-request', `say ${what} in the request`)
  }
  try {
    const decision = policy.decide(request)
    if (VERDICTS.has(decision.verdict) && decision.rule !== '') return decision
    return denied('gate.policy-error', 'the policy gave no usable answer: mend it')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return denied('gate.policy-error', `mend the policy, it failed: ${why}`)
  }
}

function denied(rule: string, hint: string): Decision {
  return { verdict: 'deny', rule, hint }
}

function entriesOf(
  requests: Requests,
  decisions: readonly Decision[],
  approval: string | null
): readonly EntryDraft[] {
  return requests.flatMap((request, place) => {
    const decision = decisions[place]
    return decision === undefined ? [] : [entryOf(request, decision, approval)]
  })
}

/** A request that cannot even be encoded is still recorded, without its context. */
function entryOf(request: GateRequest, decision: Decision, approval: string | null): EntryDraft {
  try {
    return decisionEntry(request, decision, approval)
  } catch {
    const context: Record<string, Cbor> = {}
    return decisionEntry({ ...request, context }, decision, approval)
  }
}
