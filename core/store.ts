/** One write of a batch. A null value deletes the key. */
export interface StoreWrite {
  readonly key: string
  readonly value: Uint8Array | null
}

/**
 * Ordered keys and values of one home, kept by the node.
 *
 * `write` is durable (synced to disk) once resolved, and all of its writes happen or none. Nothing is
 * retried. Calls may overlap; two that name one key are applied in the order of the calls. A rejection
 * (`STORE_FAILED`: disk full, I/O error, closed) leaves the outcome unknown: read before writing again.
 */
export interface KeyValueStore {
  get(key: string): Promise<Uint8Array | null>
  write(writes: readonly StoreWrite[]): Promise<void>
  /** All pairs whose key starts with `prefix`, in key order, as of some moment during the call. */
  list(prefix: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]>
}
