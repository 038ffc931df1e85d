// Blobs in the control API.

/** A blob that a node holds. */
export interface Blob {
  readonly id: string
  /** Of a part: its size once it is whole, for which room is kept. */
  readonly bytes: number
  readonly state: 'whole' | 'part'
  readonly pinned: boolean
  readonly addedAt: number
}

export interface BlobShelf {
  readonly budgetBytes: number
  readonly usedBytes: number
  /** The last used first. */
  readonly blobs: readonly Blob[]
}

export interface BlobStored {
  readonly id: string
  readonly bytes: number
  readonly pinned: boolean
  /** Whether it was not held here before. */
  readonly isNew: boolean
}

export interface BlobFetchStep {
  readonly id: string
  readonly bytes: number
  /** Null until it is known. */
  readonly bytesTotal: number | null
  /** The nodes that it comes from now. */
  readonly sources: readonly string[]
  readonly done: boolean
}

export interface BlobCollected {
  readonly removed: readonly string[]
  readonly bytesFreed: number
  readonly usedBytes: number
}
