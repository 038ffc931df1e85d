// Small real files to verify: one proof, one of a redacted entry, and one export of two lanes, the second ended by a change of key.

import assert from 'node:assert/strict'
import { entryId, redactionSubject, rotationDraft } from '../../../chain/index.ts'
import { concatBytes, utf8 } from '../../../core/index.ts'
import { draft, kit, recordsOf } from './kit.ts'
import { meshOf } from './mesh-kit.ts'

export interface SmallFiles {
  readonly proof: Uint8Array
  /** Of an entry whose payload the admin, another node, has taken back. */
  readonly redacted: Uint8Array
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
  return {
    proof: utf8(proof),
    redacted: utf8((await redactedFiles()).byAdmin),
    exported: concatBytes(...parts)
  }
}

/** Proofs of one entry whose payload was taken back: by its owner, by the admin, and by nobody. */
export async function redactedFiles(): Promise<Record<'byOwner' | 'byAdmin' | 'absent', string>> {
  const [founder, member] = [kit(1), kit(2)]
  const options = { ...meshOf(founder.signer, member.signer), withPayload: true }
  const text: Record<string, string> = {}
  for (const author of [member, founder]) {
    const [owner, admin] = [await kit(2).open(), await kit(1).open({ mayRedact: () => true })]
    await owner.append([draft(1), draft(2, { payload: { name: 'Ada' } })])
    await admin.accept(member.lane, await recordsOf(owner, member.lane))
    const target = entryId(`1.1@${member.lane}`)
    const isOwner = author === member
    const [redaction] = await (isOwner ? owner : admin).append([
      draft(0, {
        kind: 'chain.redacted',
        subject: redactionSubject(target),
        payload: { reason: 'a name' }
      })
    ])
    if (isOwner) await admin.accept(member.lane, await recordsOf(owner, member.lane))
    await admin.upkeep.redactor.settle()
    await admin.proofs.learn(await owner.proofs.checkpoint(), () => true)
    await admin.proofs.checkpoint()
    assert(redaction !== undefined)
    const prove = { ...options, redaction }
    text[isOwner ? 'byOwner' : 'byAdmin'] = await admin.proofs.prove(target.id, prove)
    text['absent'] = await admin.proofs.prove(target.id, options)
    await Promise.all([owner.stop(), admin.stop()])
  }
  const { byOwner = '', byAdmin = '', absent = '' } = text
  return { byOwner, byAdmin, absent }
}
