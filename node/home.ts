// The home of one node: everything that it owns on this machine, in one folder.
//
// Invariants
//   W1. One kernel at a time: a home is opened by opening its store, and that is its lock.
//   W2. What is refused is left as it was found.
//   W3. `version` is written last. What lacks it is new or half-made, and is made whole; what has it is
//       complete, or damaged.
//   W4. A home with something in it is never begun anew: what is lost of it is named, and refused.

import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync
} from 'node:fs'
import { shake256, signerFromSeed, toHex, utf8, WeaverError } from '../core/index.ts'
import type { Clock, Entropy, KeyValueStore, Logger, NodeId, Signer } from '../core/index.ts'
import {
  homeDamaged,
  homeForeign,
  homeInUse,
  homeNewer,
  homeNotWritable,
  homePathTooLong,
  storeDamaged
} from './home-errors.ts'
import { makeFolder, writeWhole } from './home-files.ts'
import { identitySeed, preparedSeed } from './home-identity.ts'
import { readKernelFile } from './home-kernel-file.ts'
import { HOME_FORMAT, homePaths, SOCKET_PATH_BYTES_MAX, SUMMED_FORMAT } from './home-layout.ts'
import type { HomePaths } from './home-layout.ts'
import { LevelStore } from './level-store.ts'

export interface Home {
  readonly paths: HomePaths
  /** The seed of the node's key, for whoever needs the key itself. */
  readonly seed: Uint8Array
  readonly signer: Signer
  readonly store: KeyValueStore
  /** The key that is to take its place; null unless a change of key is under way. */
  readonly next: HomeKey | null
  /** Names this home on this machine, also against a copy of it: 16 hexadecimal digits. */
  readonly id: string
  /** True when this opening made it. */
  readonly isNew: boolean
  /** Frees it for another kernel. May be called twice. */
  close(): Promise<void>
}

/** A key of a home. */
export interface HomeKey {
  readonly seed: Uint8Array
  readonly signer: Signer
}

export interface HomeDeps {
  readonly entropy: Entropy
  readonly log: Logger
  /** Writes the head of the store a little later; absent, at the closing alone. */
  readonly clock?: Clock
}

const OWNER_KEY = 'home/node'

/** What may lie in a home that is not complete yet. */
const OWN_NAMES =
  /^(?:(?:version|identity\.key|identity\.next|config\.json)(?:\.new)?|run|store|store\.head|policy|secrets\.(?:sealed|key)(?:\.new)?|chain|blobs|logs|spool|work|tools)$/
const DIRECTORY_MODE = 0o700
const OTHERS = 0o077

/**
 * Opens a home, making it when there is none, and holds it until it is closed.
 * @throws HomeError `NODE_HOME_IN_USE`, `NODE_HOME_NEWER`, `NODE_HOME_FULL`, `NODE_HOME_NOT_WRITABLE`,
 *   `NODE_HOME_FOREIGN`, `NODE_HOME_DAMAGED`, `NODE_HOME_PATH_TOO_LONG`, `NODE_KEY_EXPOSED`
 */
export async function openHome(deps: HomeDeps, options: { readonly path: string }): Promise<Home> {
  const paths = homePaths(options.path)
  checkPath(paths)
  formatOf(paths) // Before anything is written (W2).
  let made: string | null = null
  let store: LevelStore | null = null
  try {
    made = makeFolder(paths.home)
    tighten(deps.log, paths.home)
    store = await openStore(deps, paths)
    return await makeWhole(deps, paths, store)
  } catch (error) {
    await store?.close()
    const refusal = error instanceof WeaverError ? error : homeNotWritable(paths.home, error)
    // Only what this very call has made, and nobody else has opened meanwhile.
    if (made !== null && refusal.code !== 'NODE_HOME_IN_USE') removeQuietly(made)
    throw refusal
  }
}

/** Under the lock: the folders, the key, and last the version (W3). */
async function makeWhole(deps: HomeDeps, paths: HomePaths, store: LevelStore): Promise<Home> {
  const format = formatOf(paths) // Again: another kernel may have made it meanwhile.
  const isNew = format === null
  const hasKey = existsSync(paths.identityKey)
  if (isNew && !hasKey && hasLanes(paths)) {
    throw homeDamaged(paths.home, 'its version and its identity.key are missing')
  }
  const { run, chain, blobs, logs, spool, work, tools } = paths
  for (const folder of [run, chain, blobs, logs, spool, work, tools]) {
    makeFolder(folder)
    tighten(deps.log, folder)
  }
  const seed = identitySeed(deps, { paths, isNew })
  const signer = signerFromSeed(seed)
  const nextSeed = preparedSeed(paths)
  const next = nextSeed === null ? null : { seed: nextSeed, signer: signerFromSeed(nextSeed) }
  await checkOwner(paths, store, [signer.nodeId, ...(next === null ? [] : [next.signer.nodeId])])
  // From here on the home is complete, and no older weaver opens it.
  if (format !== HOME_FORMAT) writeWhole(paths.version, `${HOME_FORMAT}\n`)
  const id = homeId(paths, signer)
  // Of a home that only lost its `version` nothing may go when the start fails.
  const parts = { paths, seed, signer, next, store, id, isNew: isNew && !hasKey }
  return { ...parts, close: () => store.close() }
}

/** Notes whose home this is, before its key is put in the place of another one. Durable once resolved. */
export async function noteOwner(store: KeyValueStore, node: NodeId): Promise<void> {
  await store.write([{ key: OWNER_KEY, value: utf8(node) }])
}

/** A key that has changed on the disk is that of another node, which has no lane and is no member. */
async function checkOwner(
  paths: HomePaths,
  store: LevelStore,
  keys: readonly NodeId[]
): Promise<void> {
  const [present] = keys
  const stored = await store.get(OWNER_KEY)
  if (stored === null) {
    if (present !== undefined) await noteOwner(store, present)
    return
  }
  const owner = Buffer.from(stored).toString()
  if (keys.some((key) => key === owner)) return
  throw homeDamaged(paths.home, `its identity.key is not that of its node ${owner}`)
}

function hasLanes({ chain }: HomePaths): boolean {
  return existsSync(chain) && readdirSync(chain).length > 0
}

function checkPath({ home, socket }: HomePaths): void {
  const bytes = Buffer.byteLength(socket)
  if (bytes <= SOCKET_PATH_BYTES_MAX) return
  throw homePathTooLong(home, SOCKET_PATH_BYTES_MAX - bytes + Buffer.byteLength(home))
}

/** The format of a complete home, or null when it is new or half-made. Writes nothing. */
function formatOf(paths: HomePaths): number | null {
  try {
    if (!existsSync(paths.home)) return null
    const names = readdirSync(paths.home)
    if (names.includes('version')) return checkedFormat(paths)
    const foreign = names.find((name) => !OWN_NAMES.test(name))
    if (foreign !== undefined) throw homeForeign(paths.home, foreign)
    return null
  } catch (error) {
    throw error instanceof WeaverError ? error : homeNotWritable(paths.home, error)
  }
}

function checkedFormat(paths: HomePaths): number {
  const text = versionText(paths)
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw homeDamaged(paths.home, `its version file says '${text.slice(0, 32)}', not a number`)
  }
  const format = Number(text)
  if (format > HOME_FORMAT) throw homeNewer(paths.home, format, HOME_FORMAT)
  return format
}

function versionText(paths: HomePaths): string {
  try {
    return readFileSync(paths.version, 'utf8').trim()
  } catch (error) {
    throw homeDamaged(paths.home, `its version cannot be read: ${String(error)}`, error)
  }
}

async function openStore({ clock }: HomeDeps, paths: HomePaths): Promise<LevelStore> {
  try {
    const isSummed = (formatOf(paths) ?? 0) >= SUMMED_FORMAT
    const guards = { headFile: paths.storeHead, isSummed }
    return await LevelStore.open(paths.store, {
      ...guards,
      ...(clock === undefined ? {} : { clock })
    })
  } catch (error) {
    if (!(error instanceof WeaverError)) throw error
    if (error.code === 'STORE_LOCKED') {
      throw homeInUse(paths.home, readKernelFile(paths)?.pid ?? null)
    }
    if (error.code === 'STORE_DAMAGED') throw storeDamaged(paths.home, error.message, error)
    if (/corrupt|does not exist/i.test(error.message)) {
      throw storeDamaged(paths.home, `its store is damaged: ${error.message}`, error)
    }
    throw homeNotWritable(paths.home, error)
  }
}

/** A folder is ours to close; only a key may have been read by then (K2). */
function tighten(log: Logger, folder: string): void {
  const mode = statSync(folder).mode & 0o777
  if ((mode & OTHERS) === 0) return
  chmodSync(folder, DIRECTORY_MODE)
  log.warn('A folder was open to others and is not any more', { folder, mode: mode.toString(8) })
}

/** The place counts too: a copied home on the same machine must not end the processes of the original. */
export function homeId(paths: HomePaths, signer: Signer): string {
  const place = utf8(`${signer.nodeId} ${realpathSync(paths.home)}`)
  return toHex(shake256('weft/home/1', place).subarray(0, 8))
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    // The error that brought us here says more.
  }
}
