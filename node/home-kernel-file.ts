// run/kernel.json: which kernel is using the home. A hint for people: what proves that a kernel runs is its
// lock, and its socket.

import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { unlinkIfThere, writeWhole } from './home-files.ts'
import type { HomePaths } from './home-layout.ts'

const schema = z.object({
  pid: z.int().positive(),
  startedAt: z.number(),
  version: z.string()
})

export interface KernelFile {
  readonly pid: number
  /** Milliseconds since 1970, by this machine's clock. */
  readonly startedAt: number
  readonly version: string
}

export function writeKernelFile(paths: HomePaths, kernel: KernelFile): void {
  writeWhole(paths.kernelFile, `${JSON.stringify(kernel)}\n`)
}

/** Null when no kernel has written one, or it makes no sense. */
export function readKernelFile(paths: HomePaths): KernelFile | null {
  try {
    return schema.parse(JSON.parse(readFileSync(paths.kernelFile, 'utf8')))
  } catch {
    return null // A hint that cannot be read is no hint.
  }
}

export function removeKernelFile(paths: HomePaths): void {
  unlinkIfThere(paths.kernelFile)
}
