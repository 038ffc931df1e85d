// The one file that names the policy engine: Cedar, compiled to WebAssembly. It keeps prepared policies under
// names of ours, for the life of the process.
//
// Invariants
//   E1. An engine that has failed once inside stays failed: its memory may be anything. Every later call throws.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type * as Cedar from '@cedar-policy/cedar-wasm/web'
import { unreachable } from '../core/index.ts'
import { EngineFailedError, PolicyInvalidError } from './errors.ts'

export type CedarValue = boolean | number | string | CedarValue[] | { [key: string]: CedarValue }

export interface CedarUid {
  readonly type: string
  readonly id: string
}

export interface CedarEntity {
  readonly uid: CedarUid
  readonly attrs: { [key: string]: CedarValue }
  readonly parents: CedarUid[]
}

/** One request as the engine takes it. */
export interface CedarCall {
  readonly principal: CedarUid
  readonly action: CedarUid
  readonly resource: CedarUid
  readonly context: { [key: string]: CedarValue }
  readonly entities: CedarEntity[]
}

/** `failed`: the request does not fit the schema, or could not be read: nothing was decided. */
export type CedarAnswer =
  | { readonly kind: 'failed'; readonly errors: readonly string[] }
  | {
      readonly kind: 'decided'
      readonly isAllowed: boolean
      /** Ids of the policies that determined it. */
      readonly reasons: readonly string[]
      readonly errors: readonly { readonly policy: string; readonly message: string }[]
    }

export type Scope =
  | { readonly op: 'all' }
  | { readonly op: '==' | 'in'; readonly uid: CedarUid }
  | { readonly op: 'is'; readonly type: string; readonly within: CedarUid | null }

/** One policy as the engine read it. */
export interface ParsedPolicy {
  readonly text: string
  readonly effect: 'permit' | 'forbid'
  readonly annotations: Readonly<Record<string, string>>
  readonly principal: Scope
  readonly resource: Scope
  /** Null: any action. Otherwise one of these, or one within one of these. */
  readonly actions: readonly CedarUid[] | null
}

/** All methods throw `GOVERNANCE_ENGINE_FAILED` when the engine itself fails; then it stays failed (E1). */
export interface CedarEngine {
  readonly version: string
  /** @throws WeaverError `GOVERNANCE_POLICY_INVALID` with where and why */
  parse(text: string): readonly ParsedPolicy[]
  /**
   * Keeps `schema` for `validate` and `decide`. `json` is what `schemaJson` has made of it, if that is known.
   * @returns for each action the groups that it is in
   */
  useSchema(schema: string, json?: string): ReadonlyMap<string, readonly string[]>
  /** What the engine reads in `schema`, as JSON: taking that in takes it a third of the time. */
  schemaJson(schema: string): string
  /** What is wrong with these policies under the schema; empty when nothing is. */
  validate(policies: Readonly<Record<string, string>>): readonly string[]
  /** Keeps policies ready, under the name it returns, until `release`. */
  prepare(policies: Readonly<Record<string, string>>): string
  release(slot: string): void
  decide(slot: string, call: CedarCall): CedarAnswer
  format(text: string): string
}

const SCHEMA_NAME = 'weft'

/** Loads the 4 MB module: 15 ms, 15 MB. @throws WeaverError `GOVERNANCE_ENGINE_FAILED` */
export async function loadCedar(): Promise<CedarEngine> {
  try {
    const cedar = await import('@cedar-policy/cedar-wasm/web')
    const entry = import.meta.resolve('@cedar-policy/cedar-wasm/web')
    const file = fileURLToPath(new URL('cedar_wasm_bg.wasm', entry))
    cedar.initSync({ module: await readFile(file) })
    return new WasmEngine(cedar)
  } catch (error) {
    throw new EngineFailedError('it cannot be loaded', error)
  }
}

/** The module that was loaded: there is one in a process, and its prepared policies are shared. */
class WasmEngine implements CedarEngine {
  readonly #cedar: typeof Cedar
  #failure: { readonly cause: unknown } | null = null
  #schema: Cedar.Schema = ''
  #slots = 0
  readonly #free: string[] = []

  constructor(cedar: typeof Cedar) {
    this.#cedar = cedar
  }

  get version(): string {
    return this.#inside(() => this.#cedar.getCedarVersion())
  }

  parse(text: string): readonly ParsedPolicy[] {
    const parts = this.#inside(() => this.#cedar.policySetTextToParts(text))
    if (parts.type === 'failure') throw new PolicyInvalidError(messagesOf(parts.errors, text))
    if (parts.policy_templates.length > 0) {
      throw new PolicyInvalidError(['?principal and ?resource are not used here: name them'])
    }
    return parts.policies.map((policy) => {
      const read = this.#inside(() => this.#cedar.policyToJson(policy))
      if (read.type === 'failure') throw new PolicyInvalidError(messagesOf(read.errors, policy))
      return parsed(policy, read.json)
    })
  }

  useSchema(schema: string, json?: string): ReadonlyMap<string, readonly string[]> {
    const read: Cedar.SchemaJson<string> = JSON.parse(json ?? this.schemaJson(schema))
    const answer = this.#inside(() => this.#cedar.preparseSchema(SCHEMA_NAME, read))
    if (answer.type === 'failure') throw new PolicyInvalidError(messagesOf(answer.errors, schema))
    this.#schema = read
    return groupsOf(read)
  }

  schemaJson(schema: string): string {
    const answer = this.#inside(() => this.#cedar.schemaToJson(schema))
    if (answer.type === 'success') return JSON.stringify(answer.json)
    throw new PolicyInvalidError(messagesOf(answer.errors, schema))
  }

  validate(policies: Readonly<Record<string, string>>): readonly string[] {
    const call = { schema: this.#schema, policies: { staticPolicies: { ...policies } } }
    const answer = this.#inside(() => this.#cedar.validate(call))
    if (answer.type === 'failure') return messagesOf(answer.errors, '')
    const { validationErrors, validationWarnings, otherWarnings } = answer
    const wrong = [...validationErrors, ...validationWarnings].map(
      ({ policyId, error }) => `${policyId}: ${said(error)}`
    )
    return [...wrong, ...otherWarnings.map(said)]
  }

  prepare(policies: Readonly<Record<string, string>>): string {
    const slot = this.#free.pop() ?? `weft-${(this.#slots += 1)}`
    const call = { staticPolicies: { ...policies } }
    const answer = this.#inside(() => this.#cedar.preparsePolicySet(slot, call))
    if (answer.type === 'success') return slot
    this.#free.push(slot)
    throw new PolicyInvalidError(messagesOf(answer.errors, ''))
  }

  release(slot: string): void {
    if (this.#failure !== null) return
    this.#inside(() => this.#cedar.preparsePolicySet(slot, { staticPolicies: {} }))
    this.#free.push(slot)
  }

  decide(slot: string, call: CedarCall): CedarAnswer {
    const answer = this.#inside(() =>
      this.#cedar.statefulIsAuthorized({
        ...call,
        preparsedPolicySetId: slot,
        preparsedSchemaName: SCHEMA_NAME,
        validateRequest: true
      })
    )
    if (answer.type === 'failure') return { kind: 'failed', errors: answer.errors.map(said) }
    const { decision, diagnostics } = answer.response
    return {
      kind: 'decided',
      isAllowed: decision === 'allow',
      reasons: diagnostics.reason,
      errors: diagnostics.errors.map(({ policyId, error }) => ({
        policy: policyId,
        message: said(error)
      }))
    }
  }

  format(text: string): string {
    const call = { policyText: text, lineWidth: 100 }
    const answer = this.#inside(() => this.#cedar.formatPolicies(call))
    if (answer.type === 'success') return answer.formatted_policy
    throw new PolicyInvalidError(messagesOf(answer.errors, text))
  }

  /** Everything that enters the engine goes through here (E1). */
  #inside<T>(call: () => T): T {
    if (this.#failure !== null) {
      throw new EngineFailedError('it failed before: restart the kernel', this.#failure.cause)
    }
    try {
      return call()
    } catch (error) {
      this.#failure = { cause: error }
      throw new EngineFailedError('it broke off', error)
    }
  }
}

/** Groups within groups count too. */
function groupsOf(schema: Cedar.SchemaJson<string>): ReadonlyMap<string, readonly string[]> {
  const direct = new Map<string, readonly string[]>()
  for (const { actions } of Object.values(schema)) {
    for (const [name, { memberOf }] of Object.entries(actions)) {
      direct.set(
        name,
        (memberOf ?? []).map(({ id }) => id)
      )
    }
  }
  const all = new Map<string, readonly string[]>()
  for (const name of direct.keys()) {
    const found: string[] = [...(direct.get(name) ?? [])]
    for (const group of found) {
      found.push(...(direct.get(group) ?? []).filter((other) => !found.includes(other)))
    }
    all.set(name, found)
  }
  return all
}

function parsed(text: string, json: Cedar.PolicyJson): ParsedPolicy {
  const { action } = json
  return {
    text,
    effect: json.effect,
    annotations: { ...json.annotations },
    principal: scopeOf(json.principal),
    resource: scopeOf(json.resource),
    actions: action.op === 'All' ? null : actionsOf(action)
  }
}

function actionsOf(action: Exclude<Cedar.ActionConstraint, { op: 'All' }>): readonly CedarUid[] {
  if ('entities' in action) return action.entities.map(uidOf)
  return 'entity' in action ? [uidOf(action.entity)] : []
}

function scopeOf(scope: Cedar.PrincipalConstraint): Scope {
  switch (scope.op) {
    case 'All':
      return { op: 'all' }
    case '==':
    case 'in':
      if ('entity' in scope) return { op: scope.op, uid: uidOf(scope.entity) }
      throw new PolicyInvalidError(['?principal and ?resource are not used here: name them'])
    case 'is': {
      const within = scope.in !== undefined && 'entity' in scope.in ? uidOf(scope.in.entity) : null
      return { op: 'is', type: scope.entity_type, within }
    }
    default:
      return unreachable(scope)
  }
}

function uidOf(uid: Cedar.EntityUidJson): CedarUid {
  // oxlint-disable-next-line no-underscore-dangle -- Cedar's own JSON form
  return '__entity' in uid ? uid.__entity : uid
}

/** What the engine says is wrong, with the line where it is. */
function messagesOf(errors: readonly Cedar.DetailedError[], text: string): readonly string[] {
  return errors.map((error) => {
    const [place] = error.sourceLocations ?? []
    if (place === undefined || text === '') return said(error)
    const line = Buffer.from(text).subarray(0, place.start).toString().split('\n').length
    return `line ${line}: ${said(error)}`
  })
}

function said({ message, help }: Cedar.DetailedError): string {
  return help === null ? message : `${message} (${help})`
}
