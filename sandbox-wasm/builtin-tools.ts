// The tools that come with weaver: a manifest beside the components, written by scripts/build-tools.ts.
//
// Invariants
//   B1. A component runs only if its SHA-256 is that of the manifest.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { checkedName } from '../core/index.ts'
import { DigestMismatchError, ManifestBrokenError } from './errors.ts'
import { COMPONENT_BYTES_MAX } from './limits.ts'

/** A tool as `tool list` shows it. */
export interface ToolSummary {
  readonly name: string
  /** `sha256:` and 64 hexadecimal digits, over the bytes of the component. */
  readonly digest: string
  readonly sizeBytes: number
  readonly source: 'builtin'
}

/** A tool and where its component lies. */
export interface ToolEntry extends ToolSummary {
  readonly sha256: string
  readonly path: string
}

const Manifest = z.object({
  format: z.literal(1),
  tools: z.array(
    z.object({
      name: z.string().transform(checkedName),
      file: z.string().regex(/^[a-z0-9][a-z0-9.-]*\.wasm$/),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      sizeBytes: z.number().int().positive().max(COMPONENT_BYTES_MAX)
    })
  )
})

/** @throws WeaverError `SANDBOX_MANIFEST_BROKEN` */
export async function readManifest(folder: string): Promise<ReadonlyMap<string, ToolEntry>> {
  const path = join(folder, 'manifest.json')
  try {
    const { tools } = Manifest.parse(JSON.parse(await readFile(path, 'utf8')))
    return new Map(
      tools.map(({ name, file, sha256, sizeBytes }) => {
        const digest = `sha256:${sha256}`
        return [
          name,
          { name, digest, sizeBytes, source: 'builtin', sha256, path: join(folder, file) }
        ]
      })
    )
  } catch (error) {
    throw new ManifestBrokenError(`the list of tools ${path}`, error)
  }
}

/**
 * The bytes of a component, checked against the manifest.
 * @throws WeaverError `SANDBOX_DIGEST_MISMATCH`, `SANDBOX_MANIFEST_BROKEN`
 */
export async function readComponent(tool: ToolEntry): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(tool.path)
  } catch (error) {
    throw new ManifestBrokenError(`the component of '${tool.name}' at ${tool.path}`, error)
  }
  const actual = createHash('sha256').update(bytes).digest('hex')
  if (actual !== tool.sha256) {
    throw new DigestMismatchError(tool.name, tool.digest, `sha256:${actual}`)
  }
  return bytes
}
