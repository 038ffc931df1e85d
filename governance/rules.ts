// Texts of policies into rules with names: parsed, checked against the schema, bounded.

import type { CedarEngine, ParsedPolicy } from './cedar-engine.ts'
import { PolicyInvalidError } from './errors.ts'
import {
  POLICIES_MAX,
  POLICY_BYTES_MAX,
  POLICY_DEPTH_MAX,
  POLICY_ID_LENGTH_MAX,
  POLICY_LENGTH_MAX
} from './limits.ts'

/** One text with policies: a file of the project's, of the home's, or what an admin applied to the mesh. */
export interface PolicySource {
  /** `base.cedar`, `home/mine.cedar`, `mesh`: shown to people, and part of the names of unnamed rules. */
  readonly name: string
  readonly text: string
  /** The project's own: its rules may have names that begin with `base.` or `role.`. */
  readonly isBuiltIn: boolean
}

/** One policy with a name. */
export interface Rule extends ParsedPolicy {
  readonly id: string
  readonly source: string
  /** The text of `@ask`: an approval lifts this forbid. Null: nothing does. */
  readonly ask: string | null
  readonly hint: string | null
}

const ID_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9._/#-]*$/
/** Names that only the project's own rules may have: they are searched for in records. */
const OWN_NAMES = /^(?:base|role|gate|policy|approval|first)\./
const ANNOTATIONS: ReadonlySet<string> = new Set(['id', 'ask', 'hint', 'doc'])

/** @throws WeaverError `GOVERNANCE_POLICY_INVALID` with every problem found, each with its source */
export function readRules(
  engine: Pick<CedarEngine, 'parse' | 'validate'>,
  sources: readonly PolicySource[]
): readonly Rule[] {
  const rules: Rule[] = []
  const problems: string[] = []
  for (const source of sources) {
    try {
      rules.push(...rulesOf(engine, source))
    } catch (error) {
      if (!(error instanceof PolicyInvalidError)) throw error
      const all = String(error.detail['problems'] ?? error.message)
      problems.push(...all.split('\n').map((line) => `${source.name}: ${line}`))
    }
  }
  const seen = new Map<string, string>()
  for (const { id, source } of rules) {
    const other = seen.get(id)
    if (other !== undefined) problems.push(`${source}: @id("${id}") is also in ${other}`)
    seen.set(id, source)
  }
  if (problems.length > 0) throw new PolicyInvalidError(problems)
  return rules
}

function rulesOf(
  engine: Pick<CedarEngine, 'parse' | 'validate'>,
  { name, text, isBuiltIn }: PolicySource
): readonly Rule[] {
  refuseSize(text)
  const parsed = engine.parse(text)
  if (parsed.length > POLICIES_MAX) {
    throw new PolicyInvalidError([`${parsed.length} policies, at most ${POLICIES_MAX}`])
  }
  const problems: string[] = []
  const rules = parsed.map((policy, place) => {
    const { id, ask, hint } = policy.annotations
    const rule = { ...policy, source: name, ask: ask ?? null, hint: hint ?? null }
    return { ...rule, id: id ?? `${name}#${place + 1}` }
  })
  for (const rule of rules) problems.push(...ruleProblems(rule, isBuiltIn))
  if (problems.length > 0) throw new PolicyInvalidError(problems)
  // The project's own are checked by its tests; a check costs 0.1 s at every start.
  if (!isBuiltIn) {
    const wrong = engine.validate(Object.fromEntries(rules.map((rule) => [rule.id, rule.text])))
    if (wrong.length > 0) throw new PolicyInvalidError(wrong)
  }
  return rules
}

/** Before the engine sees it: its parser recurses, and its time grows with the text. */
function refuseSize(text: string): void {
  const bytes = Buffer.byteLength(text)
  if (bytes > POLICY_BYTES_MAX) {
    throw new PolicyInvalidError([`${bytes} bytes, at most ${POLICY_BYTES_MAX}`])
  }
  let depth = 0
  for (const character of text) {
    if ('([{'.includes(character)) depth += 1
    else if (')]}'.includes(character)) depth -= 1
    if (depth > POLICY_DEPTH_MAX) {
      throw new PolicyInvalidError([
        `brackets inside each other more than ${POLICY_DEPTH_MAX} deep`
      ])
    }
  }
}

function ruleProblems(rule: Rule, isBuiltIn: boolean): readonly string[] {
  const problems: string[] = []
  const { id, effect, ask, text, annotations } = rule
  if (!ID_PATTERN.test(id) || id.length > POLICY_ID_LENGTH_MAX) {
    problems.push(
      `@id("${id.slice(0, 64)}") must be up to ${POLICY_ID_LENGTH_MAX} letters, digits, . _ / -`
    )
  }
  if (!isBuiltIn && OWN_NAMES.test(id))
    problems.push(`@id("${id}") begins like the weaver's own rules`)
  if (ask !== null && effect === 'permit') problems.push(`${id}: @ask stands before forbid only`)
  if (text.length > POLICY_LENGTH_MAX)
    problems.push(`${id}: longer than ${POLICY_LENGTH_MAX} characters`)
  for (const name of Object.keys(annotations)) {
    // A mistyped @ask would make a forbid that no approval lifts: better said now.
    if (!ANNOTATIONS.has(name)) problems.push(`${id}: there is no annotation @${name}`)
  }
  return problems
}
