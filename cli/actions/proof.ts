// Writes what others can check: proofs of entries, exports of lanes.

import type { Args, Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { writeFile } from '../file.ts'

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
