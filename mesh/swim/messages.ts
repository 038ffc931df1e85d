// What failure detectors say to each other.

export type SwimState = 'alive' | 'suspect' | 'dead' | 'left'

/** One claim about one node. `alive` and `left` are the node's own word; the others are an accuser's. */
export interface Rumour {
  readonly node: string
  readonly state: SwimState
  readonly incarnation: number
  readonly by: string
}

export type SwimMessage = {
  readonly kind: 'ping' | 'ack' | 'ask' | 'nack' | 'gossip'
  readonly sequence: number
  /** Of an `ask`: whom to probe. */
  readonly target: string | null
  /** Of a `nack`: the sender has no connection to the target either. */
  readonly isClosed: boolean
  readonly rumours: readonly Rumour[]
}
