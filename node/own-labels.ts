// The labels of this node as they count now, told to everybody in its own row: other nodes, and placement, go
// by what a node itself publishes.

import type { Logger, NodeId } from '../core/index.ts'
import type { JsonValue, Mesh, Rows, SharedRows } from '../mesh/index.ts'
import type { Labels } from './api/index.ts'
import { effectiveLabels, givenLabels, LABELS_DOCUMENT } from './labels.ts'
import { NODE_KEY, NODE_SECTION } from './node-info.ts'

export interface OwnLabelsDeps {
  readonly shared: Pick<SharedRows, 'of' | 'onChange'>
  readonly rows: Pick<Rows, 'put'>
  /** The keys that this node has and has had, the newest first. */
  readonly owners: () => readonly NodeId[]
  readonly log: Logger
}

export class OwnLabels {
  readonly #deps: OwnLabelsDeps
  readonly #start: Labels
  /** The rest of the row; null before there is one. */
  #row: Readonly<Record<string, JsonValue>> | null = null
  #told = ''

  constructor(deps: OwnLabelsDeps, options: { readonly start: Labels }) {
    this.#deps = deps
    this.#start = options.start
    deps.shared.onChange((document) => {
      if (document === LABELS_DOCUMENT) this.#refresh()
    })
  }

  /** Those of the start, and over them those of the mesh. */
  get effective(): Labels {
    const { shared, owners } = this.#deps
    return effectiveLabels(this.#start, givenLabels(shared.of(LABELS_DOCUMENT), owners()))
  }

  /** Tells the members what this node is, and from now on each change of its labels. */
  publish(row: Readonly<Record<string, JsonValue>>): void {
    this.#row = row
    this.#put(this.effective)
  }

  #refresh(): void {
    if (this.#row === null) return
    const labels = this.effective
    const text = JSON.stringify(labels)
    if (text === this.#told) return
    this.#deps.log.info('labels changed', { labels: text })
    this.#put(labels)
  }

  #put(labels: Labels): void {
    this.#told = JSON.stringify(labels)
    this.#deps.rows.put(NODE_SECTION, NODE_KEY, {
      ...this.#row,
      labels,
      startLabels: this.#start
    })
  }
}

export function nodeLabels(
  mesh: Mesh,
  { log, start }: { readonly log: Logger; readonly start: Labels }
): OwnLabels {
  const { shared, rows } = mesh
  return new OwnLabels({ shared, rows, log, owners: () => ownersOf(mesh, mesh.nodeId) }, { start })
}

/** The keys under which a node has been a member, the newest first: labels outlive a change of the key. */
export function ownersOf({ heirs }: Pick<Mesh, 'heirs'>, node: NodeId): readonly NodeId[] {
  const owners = new Set<NodeId>()
  for (let owner: NodeId | undefined = node; owner !== undefined && !owners.has(owner);) {
    owners.add(owner)
    owner = heirs.before(owner)?.node
  }
  return [...owners]
}
