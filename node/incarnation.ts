// Which start of its home a kernel is.

import { toHex, utf8, WeaverError } from '../core/index.ts'
import type { Entropy, KeyValueStore } from '../core/index.ts'

const GENERATION_KEY = 'node/generation'
const BOOT_ID_BYTES = 8

export interface Incarnation {
  readonly generation: number
  readonly bootId: string
}

/**
 * Counted durably before anything is said to anybody: two runs never share a generation.
 * @throws WeaverError `STORE_FAILED`
 */
export async function nextIncarnation(deps: {
  readonly store: Pick<KeyValueStore, 'get' | 'write'>
  readonly entropy: Entropy
}): Promise<Incarnation> {
  const { store, entropy } = deps
  const stored = await store.get(GENERATION_KEY)
  const generation = Number(stored === null ? '0' : new TextDecoder().decode(stored)) + 1
  if (!Number.isSafeInteger(generation)) {
    throw new WeaverError(
      'STORE_FAILED',
      'Cannot count the starts of this home: its store is damaged'
    )
  }
  await store.write([{ key: GENERATION_KEY, value: utf8(String(generation)) }])
  return { generation, bootId: toHex(entropy.bytes(BOOT_ID_BYTES)) }
}
