// Translated components on disk, by digest. A translation costs up to a second, and is the same each time.
//
// Invariants
//   T1. An entry appears whole, by one rename, or not at all.
//   T2. An entry is used only if its files have the hashes that were noted when they were written; what
//       has others is thrown away and made again. The worker checks them as it reads them (W1).

import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { TranspiledFile } from './worker/protocol.ts'

/** Changes when the translator or what we ask of it changes, so that no old entry is taken for a new one. */
const ENTRY_FORMAT = 'jco-transpile-0.15.0-sync-1'
const INDEX_FILE = 'index.json'

/** One component, translated. */
export interface Transpiled {
  /** Where its files lie. */
  readonly folder: string
  readonly files: readonly TranspiledFile[]
  readonly imports: readonly string[]
  readonly exports: readonly string[]
}

/** A translation before it is stored. */
export interface Translation {
  readonly imports: readonly string[]
  readonly exports: readonly string[]
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[]
}

const Index = z.object({
  format: z.literal(ENTRY_FORMAT),
  imports: z.array(z.string()),
  exports: z.array(z.string()),
  files: z.array(
    z.object({
      name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}$/),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      sizeBytes: z.number().int().nonnegative()
    })
  )
})

/** Reads an entry, or null if there is none that can be used. `sha256` is of the component. */
export async function cached(cacheFolder: string, sha256: string): Promise<Transpiled | null> {
  const folder = entryFolder(cacheFolder, sha256)
  try {
    const index = Index.parse(JSON.parse(await readFile(join(folder, INDEX_FILE), 'utf8')))
    return { folder, files: index.files, imports: index.imports, exports: index.exports }
  } catch {
    return null // Missing, torn or of another version: each is mended by translating again.
  }
}

/**
 * Stores an entry in place of any that is there. Not synced: a torn one is found by its hashes. Calls
 * for one cache must not overlap: they share the staging folder, so that a crash leaves one at most.
 */
export async function store(
  cacheFolder: string,
  sha256: string,
  translation: Translation
): Promise<Transpiled> {
  const staging = join(cacheFolder, 'staging')
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true, mode: 0o700 })
  const files = await Promise.all(
    translation.files.map(async ({ name, bytes }) => {
      await writeFile(join(staging, name), bytes, { mode: 0o600 })
      const hash = createHash('sha256').update(bytes).digest('hex')
      return { name, sha256: hash, sizeBytes: bytes.length }
    })
  )
  const { imports, exports } = translation
  const index = JSON.stringify({ format: ENTRY_FORMAT, imports, exports, files })
  await writeFile(join(staging, INDEX_FILE), index, { mode: 0o600 })
  const folder = entryFolder(cacheFolder, sha256)
  await discard(cacheFolder, sha256)
  // From here the entry is there for every later start.
  await rename(staging, folder)
  return { folder, files, imports, exports }
}

export async function discard(cacheFolder: string, sha256: string): Promise<void> {
  await rm(entryFolder(cacheFolder, sha256), { recursive: true, force: true })
}

function entryFolder(cacheFolder: string, sha256: string): string {
  return join(cacheFolder, `${sha256}-${ENTRY_FORMAT}`)
}
