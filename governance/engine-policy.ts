// The policy of a running kernel: which texts are in force, made into rules when the first decision is asked.
//
// Invariants
//   K1. What cannot be read, checked or loaded denies everything but what mends it: the owner's own change of
//       policy and stop of the kernel, by the project's own rules.
//   K2. A set takes the place of another whole, between two decisions, or not at all.

import type { Clock, Logger } from '../core/index.ts'
import type { CedarEngine } from './cedar-engine.ts'
import { CedarPolicy } from './cedar-policy.ts'
import type { PolicyFacts } from './cedar-request.ts'
import type { Decision, Policy } from './policy.ts'
import type { GateRequest } from './request.ts'
import { readRules } from './rules.ts'
import type { PolicySource, Rule } from './rules.ts'
import { shippedSchema, shippedSchemaJson, shippedSources } from './shipped.ts'

/** What is in force besides the project's own, or why nothing may be. */
export interface PolicyTexts {
  readonly sources: readonly PolicySource[]
  /** Set where the texts must not be used: a lock that does not fit, a file that others may write. */
  readonly refused: { readonly rule: string; readonly why: string } | null
}

export interface EnginePolicyDeps {
  readonly loadEngine: () => Promise<CedarEngine>
  readonly facts: PolicyFacts
  /** As `CedarPolicyDeps.clock`. */
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  /** Read once, before the first decision. A rejection refuses everything (K1). */
  readonly texts: () => Promise<PolicyTexts>
  /** Asked before each decision: puts others in force where those in force do not count any more. */
  readonly renew?: () => Promise<void> | null
}

interface Loaded {
  readonly engine: CedarEngine
  readonly groups: ReadonlyMap<string, readonly string[]>
  /** The project's own rules alone. */
  readonly own: CedarPolicy
}

interface InForce {
  readonly policy: CedarPolicy
  readonly refused: { readonly rule: string; readonly why: string } | null
}

/** Acts of the owner's that stay possible whatever the policies say (K1). */
const MENDING: ReadonlySet<string> = new Set(['policy.apply', 'kernel.stop'])

export class EnginePolicy implements Policy {
  readonly #deps: EnginePolicyDeps
  #loading: Promise<Loaded> | null = null
  #inForce: InForce | null = null
  #own: CedarPolicy | null = null
  #first: Promise<void> | null = null
  #onReplaced: () => void = () => undefined

  constructor(deps: EnginePolicyDeps) {
    this.#deps = deps
  }

  /** Loads the engine and the texts, once. Rejects where the engine cannot be loaded, every time it is asked. */
  async ready(): Promise<void> {
    this.#first ??= this.#start()
    await this.#first
    await this.#deps.renew?.()
  }

  /** Loads the engine alone: what the texts say is read by the first decision. @throws as `ready` */
  async load(): Promise<void> {
    await this.#load()
  }

  decide(request: GateRequest): Decision {
    const { policy, refused } = this.#current()
    if (refused === null) return policy.decide(request)
    if (request.principal.kind === 'owner' && MENDING.has(request.action)) {
      return this.#own?.decide(request) ?? denied(refused.rule, refused.why)
    }
    return denied(refused.rule, refused.why)
  }

  /** Decides as if `sources` were in force besides the project's own, without taking them. */
  async trial(sources: readonly PolicySource[]): Promise<CedarPolicy> {
    return this.#compile(await this.#load(), sources)
  }

  /**
   * Takes other texts in the place of those in force (K2).
   * @throws WeaverError `GOVERNANCE_POLICY_INVALID`; then what was in force stays in force
   */
  async take(sources: readonly PolicySource[]): Promise<void> {
    const loaded = await this.#load()
    const policy = sources.length === 0 ? loaded.own : this.#compile(loaded, sources)
    this.#replace({ policy, refused: null })
  }

  /** Nothing is allowed from here on but what mends it (K1). */
  async refuse(rule: string, why: string): Promise<void> {
    const { own } = await this.#load()
    this.#deps.log.error('Refusing every act: the policies cannot be used', { rule, why })
    this.#replace({ policy: own, refused: { rule, why } })
  }

  /** `listener` is called each time when other rules have taken the place of those in force. */
  onReplaced(listener: () => void): void {
    this.#onReplaced = listener
  }

  isLoaded(): boolean {
    return this.#inForce !== null
  }

  /** Every rule in force, the project's own first. */
  rules(): readonly Rule[] {
    return this.#current().policy.rules
  }

  refusal(): { readonly rule: string; readonly why: string } | null {
    return this.#current().refused
  }

  async format(text: string): Promise<string> {
    return (await this.#load()).engine.format(text)
  }

  async engineVersion(): Promise<string> {
    return (await this.#load()).engine.version
  }

  #current(): InForce {
    if (this.#inForce === null) throw new Error('the policies are not loaded yet')
    return this.#inForce
  }

  #replace(next: InForce): void {
    const before = this.#inForce
    this.#inForce = next
    if (before !== null && before.policy !== this.#own && before.policy !== next.policy) {
      before.policy.close()
    }
    if (before !== null) this.#onReplaced()
  }

  async #start(): Promise<void> {
    await this.#load()
    try {
      const { sources, refused } = await this.#deps.texts()
      if (refused === null) await this.take(sources)
      else await this.refuse(refused.rule, refused.why)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      await this.refuse('policy.unusable', `mend the policies of this home, then restart: ${why}`)
    }
  }

  #load(): Promise<Loaded> {
    this.#loading ??= this.#loadOnce()
    return this.#loading
  }

  async #loadOnce(): Promise<Loaded> {
    const engine = await this.#deps.loadEngine()
    const groups = engine.useSchema(shippedSchema(), shippedSchemaJson())
    const own = this.#compile({ engine, groups }, [])
    this.#own = own
    return { engine, groups, own }
  }

  #compile(
    { engine, groups }: Pick<Loaded, 'engine' | 'groups'>,
    sources: readonly PolicySource[]
  ): CedarPolicy {
    const { facts, clock } = this.#deps
    const rules = readRules(engine, [...shippedSources(), ...sources])
    return new CedarPolicy({ engine, facts, clock }, { rules, groups })
  }
}

function denied(rule: string, hint: string): Decision {
  return { verdict: 'deny', rule, hint }
}
