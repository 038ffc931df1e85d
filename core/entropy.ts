/** The source of keys, nonces and ids. A simulation replaces it on purpose, never by accident. */
export interface Entropy {
  /** `size` unpredictable bytes. */
  bytes(size: number): Uint8Array
}
