// Files that a command writes.

import { open, rename, rm } from 'node:fs/promises'
import process from 'node:process'
import { CliError } from './errors.ts'
import { writeTo } from './output.ts'

/** Whole or not at all: a file of that name that was there before stays until the new one is complete. */
export async function writeFile(
  path: string,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>
): Promise<number> {
  let size = 0
  if (path === '-') {
    for await (const chunk of chunks) {
      size += chunk.length
      await writeTo(process.stdout, chunk)
    }
    return size
  }
  const part = `${path}.${process.pid}.part`
  try {
    const file = await open(part, 'wx')
    try {
      for await (const chunk of chunks) {
        size += chunk.length
        await file.write(chunk)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(part, path)
    return size
  } catch (error) {
    await rm(part, { force: true })
    const isOurs = error instanceof Error && 'syscall' in error
    if (!isOurs) throw error
    throw new CliError('CLI_FILE_UNWRITABLE', `Cannot write '${path}': ${error.message}`)
  }
}
