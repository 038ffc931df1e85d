// Small real files to verify: one proof, and one export of two lanes, the second ended by a change of key.

import assert from 'node:assert/strict'
import { rotationDraft } from '../../../chain/index.ts'
import { concatBytes, utf8 } from '../../../core/index.ts'
import { draft, kit, recordsOf } from './kit.ts'
import { meshOf } from './mesh-kit.ts'

export interface SmallFiles {
  readonly proof: Uint8Array
  readonly exported: Uint8Array
}

export async function smallFiles(): Promise<SmallFiles> {
  const [writer, reader, heir] = [kit(1), kit(2), kit(3)]
  const [chain, peer] = [await writer.open(), await reader.open()]
  await chain.append([
    draft(1, { payload: { text: 'zwölf', list: [1, -1, 1.5, null, true], deep: { a: [] } } }),
    draft(2)
  ])
  await chain.append([draft(3)])
  await peer.accept(writer.lane, await recordsOf(chain, writer.lane))
  await peer.append([draft(4)])
  await peer.append([rotationDraft(reader.signer, heir.signer)])
  for (const [owner, witness, id] of [
    [chain, peer, reader.lane],
    [peer, chain, writer.lane]
  ] as const) {
    await owner.proofs.checkpoint()
    const request = await owner.proofs.request(0)
    assert(request !== null)
    const answer = await witness.proofs.cosign(request, () => true)
    assert(answer.status === 200 && (await owner.proofs.addCosignature(id, answer)))
  }
  const current = chain.proofs.current()
  assert(current !== null)
  await peer.proofs.learn(current, () => true)
  const options = meshOf(writer.signer, reader.signer)
  const proof = await chain.proofs.prove(`1.0@${writer.lane}`, { ...options, withPayload: true })
  const parts: Uint8Array[] = []
  for await (const part of peer.proofs.export([writer.lane, reader.lane], options)) parts.push(part)
  await chain.stop()
  await peer.stop()
  return { proof: utf8(proof), exported: concatBytes(...parts) }
}
