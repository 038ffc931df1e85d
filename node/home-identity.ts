// The node's key.
//
// Invariants
//   K1. The key of a home is made once. A complete home without its key is refused, never given another
//       one: its lane and its membership belong to the old key.
//   K3. A change of key prepares the new one beside the old one, and one rename puts it in its place.
//   K2. A key that others may read is refused, not quietly hidden: it may have been copied, and only a
//       person can know.

import { readFileSync, statSync } from 'node:fs'
import { fromHex, SEED_BYTES, toHex } from '../core/index.ts'
import type { Entropy } from '../core/index.ts'
import { homeDamaged, keyExposed } from './home-errors.ts'
import { renameWhole, writeWhole } from './home-files.ts'
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
  if (!stats.isFile()) throw homeDamaged(paths.home, 'its identity.key is no file')
  const mode = stats.mode & 0o777
  if ((mode & OTHERS) !== 0) throw keyExposed(path, mode)
  const seed = fromHex(readFileSync(path, 'utf8').trim())
  if (seed?.length === SEED_BYTES) return seed
  throw homeDamaged(paths.home, `its identity.key is not ${SEED_BYTES * 2} hexadecimal digits`)
}

/**
 * Makes the key that is to take the place of the one in use. Durable once it returns; a key that was prepared
 * before stays. The change itself is for the next start.
 */
export function prepareKey(deps: { readonly entropy: Entropy }, paths: HomePaths): Uint8Array {
  const prepared = preparedSeed(paths)
  if (prepared !== null) return prepared
  const seed = deps.entropy.bytes(SEED_BYTES)
  writeWhole(paths.nextKey, `${toHex(seed)}\n`)
  return seed
}

/** The prepared key, or null. @throws HomeError `NODE_KEY_EXPOSED`, `NODE_HOME_DAMAGED` */
export function preparedSeed(paths: HomePaths): Uint8Array | null {
  const stats = statSync(paths.nextKey, { throwIfNoEntry: false })
  if (stats === undefined) return null
  const mode = stats.mode & 0o777
  if ((mode & OTHERS) !== 0) throw keyExposed(paths.nextKey, mode)
  const seed = fromHex(readFileSync(paths.nextKey, 'utf8').trim())
  if (seed?.length === SEED_BYTES) return seed
  throw homeDamaged(paths.home, `its identity.next is not ${SEED_BYTES * 2} hexadecimal digits`)
}

/** Puts the prepared key in the place of the one in use, in one step; the old one is gone then. */
export function adoptKey(paths: HomePaths): void {
  renameWhole(paths.nextKey, paths.identityKey) // From here on the node has its new name.
}
