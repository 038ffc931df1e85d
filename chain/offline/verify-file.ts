// Tells an export from a proof, and checks either.

import type { BlockChecker } from './block-check.ts'
import { join } from './bytes.ts'
import { verifyExport } from './export.ts'
import type { Primitives } from './primitives.ts'
import { verifyProof } from './proof.ts'
import { PROOF_BYTES_MAX } from './proof-file.ts'
import { Findings } from './report.ts'
import type { OfflineReport } from './report.ts'

/** Checks a file by its bytes, in bounded memory; the blocks of an export with `checker`, if given. Never throws on what they say; rejects with what `chunks` throw. */
export async function verifyFile(
  primitives: Primitives,
  chunks: AsyncIterable<Uint8Array>,
  checker?: BlockChecker
): Promise<OfflineReport> {
  const source = chunks[Symbol.asyncIterator]()
  const first = await source.next()
  if (first.done === true) {
    const findings = new Findings('unknown')
    findings.file('CHAIN_FILE_UNKNOWN', 'The file is empty')
    return findings.report()
  }
  if (first.value[0] === 0x57) {
    return verifyExport(primitives, prepend(first.value, source), checker)
  }
  const parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of prepend(first.value, source)) {
    parts.push(chunk)
    size += chunk.length
    if (size > PROOF_BYTES_MAX) break
  }
  return verifyProof(primitives, join(...parts))
}

async function* prepend(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>
): AsyncGenerator<Uint8Array> {
  yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}
