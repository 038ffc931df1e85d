// Labels of nodes: those that a machine was started with, and over them those that admins of the mesh give it
// from anywhere. Pure.
//
// Invariants
//   L1. What the mesh says wins over what the start says, key by key; taken away again, the start's counts.
//   L2. A row that is no label, or one too many, changes nothing: the others count as if it were not there.

import { z } from 'zod'
import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import type { JsonValue } from '../mesh/index.ts'
import type { Labels, NodeLabel } from './api/index.ts'
import { GIVEN_LABELS_MAX, START_LABELS_MAX } from './limits.ts'

/** The shared document with the labels that admins give: a row for each, so that two admins seldom write the same. */
export const LABELS_DOCUMENT = 'labels'

const KEY_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/
const VALUE_PATTERN = /^[^=\s]{0,63}$/

/** A later version may say more of a label. */
const rowSchema = z.object({ value: z.string() })

/** What one act changes. */
export interface LabelChange {
  readonly labels: Labels
  /** Keys that are taken away. */
  readonly removed: readonly string[]
}

/** What a node has said of its labels: what counts there, and what it was started with. */
export interface SaidLabels {
  readonly labels: Labels
  /** Null from a version that knows of no others. */
  readonly startLabels: Labels | null
}

/** @throws WeaverError `NODE_LABEL_INVALID` */
export function parseLabels(texts: readonly string[]): Labels {
  const labels = texts.map((text): readonly [string, string] => {
    const equals = text.indexOf('=')
    const [key, value] = [text.slice(0, equals), text.slice(equals + 1)]
    if (equals < 0 || !isLabel(key, value)) throw invalidLabel(text)
    return [key, value]
  })
  const twice = labels.find(([key], index) => labels.findIndex(([other]) => other === key) < index)
  if (twice !== undefined) {
    throw new WeaverError(
      'NODE_LABEL_INVALID',
      `Cannot use label '${twice[0]}' twice: give it one value`
    )
  }
  if (labels.length > START_LABELS_MAX) {
    throw new WeaverError(
      'NODE_LABEL_INVALID',
      `Cannot use ${labels.length} labels: at most ${START_LABELS_MAX}`
    )
  }
  return Object.fromEntries(labels)
}

/** @throws WeaverError `NODE_LABEL_INVALID` */
export function checkChange({ labels, removed }: LabelChange): void {
  for (const [key, value] of Object.entries(labels)) {
    if (!isLabel(key, value)) throw invalidLabel(`${key}=${value}`)
  }
  for (const key of removed) {
    if (!KEY_PATTERN.test(key)) throw invalidLabel(`${key}-`)
    if (!Object.hasOwn(labels, key)) continue
    throw new WeaverError(
      'NODE_LABEL_INVALID',
      `Cannot both set label '${key}' and take it away: write one of ${key}=${labels[key] ?? ''} and ${key}-`
    )
  }
}

/** The labels that the mesh gives to a node, by the keys it has and has had, the newest first. */
export function givenLabels(
  table: Readonly<Record<string, JsonValue>>,
  owners: readonly NodeId[]
): Labels {
  const given = new Map<string, string>()
  for (const owner of owners) {
    const start = `${owner}/`
    for (const [rowKey, row] of Object.entries(table)) {
      const key = rowKey.slice(start.length)
      if (!rowKey.startsWith(start) || given.has(key)) continue
      const { data } = rowSchema.safeParse(row)
      if (data !== undefined && isLabel(key, data.value)) given.set(key, data.value)
    }
  }
  // In the order of keys, so that every node leaves out the same ones.
  return Object.fromEntries([...given].toSorted(byKey).slice(0, GIVEN_LABELS_MAX))
}

/** What counts (L1). */
export function effectiveLabels(start: Labels, given: Labels): Labels {
  return Object.fromEntries(Object.entries({ ...start, ...given }).toSorted(byKey))
}

/**
 * The rows that `change` writes for a node; null takes one away, whichever of its keys it was given to.
 * @throws WeaverError `NODE_LABEL_INVALID`: more than a node may be given
 */
export function rowsOf(
  { labels, removed }: LabelChange,
  { owners, given }: { readonly owners: readonly NodeId[]; readonly given: Labels }
): ReadonlyMap<string, JsonValue | null> {
  const after = new Set([...Object.keys(given), ...Object.keys(labels)])
  for (const key of removed) after.delete(key)
  if (after.size > GIVEN_LABELS_MAX) {
    throw new WeaverError(
      'NODE_LABEL_INVALID',
      `Cannot give a node ${after.size} labels: at most ${GIVEN_LABELS_MAX}`,
      { detail: { hint: 'take some away in the same command: KEY-' } }
    )
  }
  const rows = new Map<string, JsonValue | null>()
  for (const [index, owner] of owners.entries()) {
    for (const key of removed) rows.set(`${owner}/${key}`, null)
    for (const [key, value] of Object.entries(labels)) {
      rows.set(`${owner}/${key}`, index === 0 ? { value } : null)
    }
  }
  return rows
}

/** The rows there are for a node. */
export function rowKeysOf(
  table: Readonly<Record<string, JsonValue>>,
  owners: readonly NodeId[]
): readonly string[] {
  return Object.keys(table).filter((key) => owners.some((owner) => key.startsWith(`${owner}/`)))
}

/** Every label of a node with where it comes from, and whether it counts there yet. */
export function labelViews(said: SaidLabels | null, given: Labels): readonly NodeLabel[] {
  const there = said?.labels ?? {}
  // A node that has never been heard: nobody knows what it was started with.
  const start = said?.startLabels ?? there
  const views = Object.entries(effectiveLabels(start, given)).map(([key, value]): NodeLabel => {
    const isGiven = Object.hasOwn(given, key)
    return {
      key,
      value,
      from: isGiven ? 'mesh' : 'start',
      startValue: Object.hasOwn(start, key) ? (start[key] ?? null) : null,
      state: Object.hasOwn(there, key) && there[key] === value ? 'in-force' : 'waiting'
    }
  })
  const wanted = new Set(views.map(({ key }) => key))
  const leaving = Object.entries(there)
    .filter(([key]) => !wanted.has(key))
    .map(([key, value]): NodeLabel => ({
      key,
      value,
      from: 'mesh',
      startValue: null,
      state: 'leaving'
    }))
  return [...views, ...leaving].toSorted((a, b) => byKey([a.key], [b.key]))
}

function isLabel(key: string, value: string): boolean {
  return KEY_PATTERN.test(key) && VALUE_PATTERN.test(value)
}

function byKey([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function invalidLabel(text: string): WeaverError {
  return new WeaverError(
    'NODE_LABEL_INVALID',
    `Cannot use '${text.slice(0, 130)}' as a label: write KEY=VALUE, 63 characters each at most`,
    { detail: { hint: 'keys have letters, digits and . _ / - and begin with a letter or digit' } }
  )
}
