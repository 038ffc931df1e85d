// The node's key.
//
// Invariants
//   K1. The key of a home is made once. A complete home without its key is refused, never given another
//       one: its lane and its membership belong to the old key.
//   K2. A key that others may read is refused, not quietly hidden: it may have been copied, and only a
//       person can know.

import { readFileSync, statSync } from 'node:fs'
import { fromHex, SEED_BYTES, toHex } from '../core/index.ts'
import type { Entropy } from '../core/index.ts'
import { homeDamaged, keyExposed } from './home-errors.ts'
import { writeWhole } from './home-files.ts'
import type { HomePaths } from './home-layout.ts'

const OTHERS = 0o077

/**
 * The seed of the node's key, made when the home is new. To be called under the home's lock.
 * @throws HomeError `NODE_KEY_EXPOSED` (K2), `NODE_HOME_DAMAGED` (K1)
 */
export function identitySeed(
  deps: { readonly entropy: Entropy },
  options: { readonly paths: HomePaths; readonly isNew: boolean }
): Uint8Array {
  const { paths, isNew } = options
  const path = paths.identityKey
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    if (!isNew) throw homeDamaged(paths.home, 'its identity.key is missing')
    const seed = deps.entropy.bytes(SEED_BYTES)
    writeWhole(path, `${toHex(seed)}\n`) // From here on the node has its name.
    return seed
  }
  const mode = stats.mode & 0o777
  if ((mode & OTHERS) !== 0) throw keyExposed(path, mode)
  const seed = fromHex(readFileSync(path, 'utf8').trim())
  if (seed?.length === SEED_BYTES) return seed
  throw homeDamaged(paths.home, `its identity.key is not ${SEED_BYTES * 2} hexadecimal digits`)
}
