// Writes what others can check: proofs of entries, exports of lanes.

import { open, rename, rm } from 'node:fs/promises'
import process from 'node:process'
import type { Args, Runner } from '../command.ts'
import { CliError, EXIT, usageError } from '../errors.ts'
import { writeTo } from '../output.ts'

export const prove: Runner = async ({ client, output }, args) => {
  const file = fileOf(args)
  const payload = !args.flag('no-payload')
  const { proof } = await client.chainProof(args.words[0] ?? '', { payload })
  const bytes = await writeFile(file, [Buffer.from(proof)])
  if (file !== '-')
    await output.document(
      { file, bytes },
      () => `wrote ${file}; check it with: weaver verify ${file}`
    )
  return EXIT.done
}

export const exportLanes: Runner = async ({ client, output }, args) => {
  const file = fileOf(args)
  const bytes = await writeFile(file, chunksOf(client.exportChain(args.text('lane'))))
  if (file !== '-')
    await output.document(
      { file, bytes },
      () => `wrote ${file}; check it with: weaver verify ${file}`
    )
  return EXIT.done
}

function fileOf(args: Args): string {
  const file = args.text('output')
  if (file === null)
    throw usageError('-o FILE is missing', 'say where to write it, for example: -o proof.json')
  return file
}

async function* chunksOf(
  items: AsyncIterable<{ readonly item: { readonly base64: string } }>
): AsyncGenerator<Buffer> {
  for await (const { item } of items) yield Buffer.from(item.base64, 'base64')
}

/** Whole or not at all: a file of that name that was there before stays until the new one is complete. */
async function writeFile(
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
