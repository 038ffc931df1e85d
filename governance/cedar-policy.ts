// Decides by Cedar policies.
//
// Invariants
//   P1. An error of any policy, a request that does not fit the schema, an engine that fails or is too slow: deny.
//   P2. A forbid with @ask is lifted by an approval only, and only where nothing else stands in the way.
//   P3. A slice leaves out only policies whose scope cannot match the request. Scopes cannot err, so the
//       decision over the slice is the decision over all.

import type { Clock } from '../core/index.ts'
import { WeaverError } from '../core/index.ts'
import type { CedarAnswer, CedarCall, CedarEngine, CedarUid, Scope } from './cedar-engine.ts'
import { cedarCall } from './cedar-request.ts'
import type { PolicyFacts } from './cedar-request.ts'
import { grantingHint } from './hint.ts'
import { DECISION_TIME_MAX_MS, SLICES_MAX } from './limits.ts'
import type { Decision, Policy } from './policy.ts'
import type { GateRequest } from './request.ts'
import type { Rule } from './rules.ts'

export interface CedarPolicyDeps {
  readonly engine: CedarEngine
  readonly facts: PolicyFacts
  /** Of the work that is done: where it stands still, others have the core, and no policy is to blame. */
  readonly clock: Pick<Clock, 'now'>
}

export interface CedarPolicyOptions {
  readonly rules: readonly Rule[]
  /** Which action is in which groups, by the schema. */
  readonly groups: ReadonlyMap<string, readonly string[]>
}

/** Policies made ready for one action and one kind of principal. */
interface Slice {
  readonly all: string
  /** Without the forbids that ask; null where there are none. */
  readonly unasked: string | null
}

export class CedarPolicy implements Policy {
  readonly rules: readonly Rule[]
  readonly #deps: CedarPolicyDeps
  readonly #groups: ReadonlyMap<string, readonly string[]>
  readonly #byId: ReadonlyMap<string, Rule>
  /** Principals and groups of them that any rule names: what slices differ by. */
  readonly #named: ReadonlySet<string>
  readonly #slices = new Map<string, Slice>()

  constructor(deps: CedarPolicyDeps, { rules, groups }: CedarPolicyOptions) {
    this.#deps = deps
    this.rules = rules
    this.#groups = groups
    this.#byId = new Map(rules.map((rule) => [rule.id, rule]))
    this.#named = new Set(
      rules.flatMap(({ principal }) => {
        const named = scopeUid(principal)
        return named === null ? [] : [key(named)]
      })
    )
  }

  decide(request: GateRequest): Decision {
    let call: CedarCall
    try {
      call = cedarCall(request, this.#deps.facts)
    } catch (error) {
      if (!(error instanceof WeaverError)) throw error
      return denied('policy.request-invalid', error.message)
    }
    const slice = this.#slice(call)
    let took = 0
    // A machine that is busy for a moment is no slow policy: that is slow twice.
    for (let tries = 0; tries < 2; tries += 1) {
      const before = this.#deps.clock.now()
      const decision = this.#decideIn(slice, call, request)
      took = this.#deps.clock.now() - before
      if (took <= DECISION_TIME_MAX_MS) return decision
    }
    const why = `the decision took ${Math.round(took)} ms, at most ${DECISION_TIME_MAX_MS} ms`
    return denied('policy.too-slow', `${why}: use fewer or simpler policies`)
  }

  /** Gives back what the engine keeps for this set. It decides nothing afterwards. */
  close(): void {
    for (const { all, unasked } of this.#slices.values()) {
      this.#deps.engine.release(all)
      if (unasked !== null) this.#deps.engine.release(unasked)
    }
    this.#slices.clear()
  }

  #decideIn(slice: Slice, call: CedarCall, request: GateRequest): Decision {
    const answer = this.#deps.engine.decide(slice.all, call)
    const failure = failureOf(answer)
    if (failure !== null) return failure
    if (answer.kind === 'failed') return denied('policy.schema-mismatch', answer.errors.join('; '))
    const rules = answer.reasons.toSorted()
    const [first] = rules
    if (answer.isAllowed) {
      return first === undefined
        ? denied('policy.engine-nonsense', 'it allowed without a rule')
        : { verdict: 'allow', rule: first, hint: '', rules }
    }
    if (first === undefined) return defaultDeny(request, call)
    const hard = rules.find((id) => (this.#byId.get(id)?.ask ?? null) === null)
    if (hard !== undefined) return this.#forbidden(hard, rules)
    return this.#asked(slice, call, { request, rules, first })
  }

  /** Only @ask forbids stand in the way: would it be permitted without them (P2)? */
  #asked(
    { unasked }: Slice,
    call: CedarCall,
    found: {
      readonly request: GateRequest
      readonly rules: readonly string[]
      readonly first: string
    }
  ): Decision {
    const { request, rules, first } = found
    if (unasked === null) return denied('policy.engine-nonsense', 'a rule asks that is not there')
    const answer = this.#deps.engine.decide(unasked, call)
    const failure = failureOf(answer)
    if (failure !== null) return failure
    if (answer.kind === 'failed' || !answer.isAllowed) return defaultDeny(request, call)
    const hint = this.#byId.get(first)?.ask ?? ''
    return { verdict: 'ask', rule: first, hint, rules: [...rules, ...answer.reasons.toSorted()] }
  }

  #forbidden(id: string, rules: readonly string[]): Decision {
    const rule = this.#byId.get(id)
    const hint =
      rule?.hint ?? `${id} in ${rule?.source ?? '?'} forbids it: see weaver policy explain ${id}`
    return { ...denied(id, hint), rules }
  }

  #slice(call: CedarCall): Slice {
    const held = call.entities
      .flatMap(({ uid, parents }) => [uid, ...parents])
      .filter((uid) => this.#named.has(key(uid)) && isOfPrincipal(call, uid))
      .map(key)
    const name = JSON.stringify([
      call.action.id,
      call.principal.type,
      [...new Set(held)].toSorted()
    ])
    const known = this.#slices.get(name)
    if (known !== undefined) return known
    if (this.#slices.size >= SLICES_MAX) this.close()
    const slice = this.#prepare(call)
    this.#slices.set(name, slice)
    return slice
  }

  #prepare(call: CedarCall): Slice {
    const fitting = this.rules.filter((rule) => this.#mayFit(rule, call))
    const { engine } = this.#deps
    const unasked = fitting.filter(({ ask }) => ask === null)
    const all = engine.prepare(textsOf(fitting))
    return {
      all,
      unasked: unasked.length === fitting.length ? null : engine.prepare(textsOf(unasked))
    }
  }

  /** False only where the scope of the rule cannot match (P3). */
  #mayFit({ actions, principal }: Rule, call: CedarCall): boolean {
    const groups = this.#groups.get(call.action.id) ?? []
    const isAction =
      actions === null || actions.some(({ id }) => id === call.action.id || groups.includes(id))
    return isAction && isPrincipalIn(principal, call)
  }
}

function textsOf(rules: readonly Rule[]): Readonly<Record<string, string>> {
  return Object.fromEntries(rules.map(({ id, text }) => [id, text]))
}

/** The principal itself, or what it is in, near or far. */
function ancestors(call: CedarCall): readonly CedarUid[] {
  const found: CedarUid[] = [call.principal]
  for (const uid of found) {
    const entity = call.entities.find((each) => isSame(each.uid, uid))
    for (const parent of entity?.parents ?? []) {
      if (!found.some((each) => isSame(each, parent))) found.push(parent)
    }
  }
  return found
}

function isOfPrincipal(call: CedarCall, uid: CedarUid): boolean {
  return ancestors(call).some((each) => isSame(each, uid))
}

function isPrincipalIn(scope: Scope, call: CedarCall): boolean {
  switch (scope.op) {
    case 'all':
      return true
    case '==':
      return isSame(scope.uid, call.principal)
    case 'in':
      return isOfPrincipal(call, scope.uid)
    case 'is':
      return (
        scope.type === call.principal.type &&
        (scope.within === null || isOfPrincipal(call, scope.within))
      )
    default:
      return true
  }
}

function scopeUid(scope: Scope): CedarUid | null {
  if (scope.op === 'all') return null
  return scope.op === 'is' ? scope.within : scope.uid
}

function isSame(one: CedarUid, other: CedarUid): boolean {
  return one.type === other.type && one.id === other.id
}

function key({ type, id }: CedarUid): string {
  return `${type}::${id}`
}

function failureOf(answer: CedarAnswer): Decision | null {
  if (answer.kind === 'failed') {
    return { ...denied('policy.schema-mismatch', answer.errors.join('; ')), errors: answer.errors }
  }
  const [first] = answer.errors
  if (first === undefined) return null
  const errors = answer.errors.map(({ policy, message }) => `${policy}: ${message}`)
  return { ...denied('policy.evaluation-error', `mend the policy ${errors.join('; ')}`), errors }
}

function defaultDeny(request: GateRequest, call: CedarCall): Decision {
  return denied('policy.default-deny', grantingHint(request, call))
}

function denied(rule: string, hint: string): Decision {
  return { verdict: 'deny', rule, hint }
}
