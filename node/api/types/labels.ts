// Labels of nodes in the control API.

/** One label of a node. */
export interface NodeLabel {
  readonly key: string
  readonly value: string
  /** `start`: given by `kernel start --label` on that machine; `mesh`: by an admin, over what the start says. */
  readonly from: 'start' | 'mesh'
  /** What the start says of this key; null: nothing, or nobody knows yet. */
  readonly startValue: string | null
  /** `waiting`: the node has not said yet that it has it; `leaving`: it is taken away, and still there. */
  readonly state: 'in-force' | 'waiting' | 'leaving'
}

export interface NodeLabels {
  readonly nodeId: string
  readonly name: string
  /** In the order of their keys. */
  readonly labels: readonly NodeLabel[]
}

export interface LabelRequest {
  readonly labels: Readonly<Record<string, string>>
  /** Keys that are taken away. */
  readonly removed: readonly string[]
}
