// What of a request is written into the chain: enough to say later what exactly was asked, bounded, and
// without the value of any environment variable.

import { encodeCbor, shake256, toHex } from '../core/index.ts'
import type { Cbor } from '../core/index.ts'
import {
  CONTEXT_BYTES_MAX,
  CONTEXT_KEYS_MAX,
  DEPTH_MAX,
  HINT_LENGTH_MAX,
  ITEMS_MAX,
  RESOURCE_LENGTH_MAX,
  RULE_LENGTH_MAX,
  TEXT_LENGTH_MAX
} from './limits.ts'
import type { Decision } from './policy.ts'
import type { EntryDraft } from './ports.ts'
import { principalText } from './request.ts'
import type { GateRequest } from './request.ts'

/** Keys whose values are variables and their values: only the names are kept, as `envNames`. */
const ENVIRONMENT_KEYS: ReadonlySet<string> = new Set(['env', 'environ', 'environment'])

/** The `policy.decision` entry of one decision. */
export function decisionEntry(
  request: GateRequest,
  decision: Decision,
  approval: string | null = null
): EntryDraft {
  const resource = request.resource.slice(0, RESOURCE_LENGTH_MAX)
  return {
    kind: 'policy.decision',
    actor: principalText(request.principal),
    subject: resource,
    payload: {
      action: request.action.slice(0, RULE_LENGTH_MAX),
      resource,
      verdict: decision.verdict,
      rule: decision.rule.slice(0, RULE_LENGTH_MAX),
      hint: decision.hint.slice(0, HINT_LENGTH_MAX),
      ...(approval === null ? {} : { approval }),
      context: boundedContext(request.context)
    }
  }
}

export function boundedContext(context: GateRequest['context']): Cbor {
  const kept: Record<string, Cbor> = {}
  for (const [key, value] of Object.entries(context).slice(0, CONTEXT_KEYS_MAX)) {
    const name = key.slice(0, 64)
    if (ENVIRONMENT_KEYS.has(key.toLowerCase())) kept['envNames'] = namesOf(value)
    else kept[name] = bounded(value, DEPTH_MAX)
  }
  const bytes = encodeCbor(kept)
  if (bytes.length <= CONTEXT_BYTES_MAX) return kept
  // The digest lets whoever still has the request show that it is this one.
  return {
    isCut: true,
    sizeBytes: bytes.length,
    digest: toHex(shake256('weft/gate-context/1', bytes))
  }
}

function namesOf(environment: Cbor): readonly string[] {
  const names = isMap(environment) ? Object.keys(environment) : []
  return names
    .toSorted()
    .slice(0, ITEMS_MAX)
    .map((name) => name.slice(0, 128))
}

function bounded(value: Cbor, depth: number): Cbor {
  if (typeof value === 'string') return cut(value)
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) return '...'
  if (isList(value)) return value.slice(0, ITEMS_MAX).map((item) => bounded(item, depth - 1))
  const kept: Record<string, Cbor> = {}
  for (const [key, item] of Object.entries(value).slice(0, ITEMS_MAX)) {
    if (ENVIRONMENT_KEYS.has(key.toLowerCase())) kept['envNames'] = namesOf(item)
    else kept[key.slice(0, 64)] = bounded(item, depth - 1)
  }
  return kept
}

function cut(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}...`
}

function isList(value: Cbor): value is readonly Cbor[] {
  return Array.isArray(value)
}

function isMap(value: Cbor): value is { readonly [key: string]: Cbor } {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  )
}
