// What the offline verifier says of lanes that are sound by themselves and wrong all the same.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concatBytes, decodeCbor, encodeCbor, toHex, utf8 } from '../../../core/index.ts'
import type { Cbor, Signer } from '../../../core/index.ts'
import { rotationDraft } from '../../../chain/index.ts'
import type { Chain, EntryDraft } from '../../../chain/index.ts'
import { decode, nodePrimitives, verifyFile } from '../../../chain/offline/index.ts'
import type { OfflineReport } from '../../../chain/offline/index.ts'
import { draft, kit, signerOf } from './kit.ts'
import { meshOf } from './mesh-kit.ts'
import { redactedFiles } from './proof-kit.ts'

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function exported(chain: Chain, mesh = meshOf(signerOf(1))): Promise<OfflineReport> {
  const parts: Uint8Array[] = []
  const lanes = chain.heads().map(({ lane }) => lane)
  for await (const part of chain.proofs.export(lanes, mesh)) parts.push(part)
  return verifyFile(nodePrimitives, chunks(concatBytes(...parts)))
}

/** The codes that an export of one lane with these blocks gets. */
async function codes(...blocks: readonly (readonly EntryDraft[])[]): Promise<readonly string[]> {
  const chain = await kit(1).open()
  for (const block of blocks) await chain.append(block)
  const report = await exported(chain)
  await chain.stop()
  return report.problems.map(({ code }) => code)
}

type Part = Record<string, unknown>

function pick(from: Part, ...names: readonly string[]): Part {
  return Object.fromEntries(names.map((name) => [name, from[name]]))
}

/** A mesh that the owner of the entry has founded. */
function foreignMesh(...others: readonly Signer[]): Part {
  const { mesh } = meshOf(signerOf(2), ...others)
  return {
    id: mesh.id,
    statements: mesh.statements.map((bytes) => Buffer.from(bytes).toString('base64'))
  }
}

describe('chain: the offline verifier', () => {
  it('knows a change of key that both keys signed, and no block behind it', async () => {
    const rotation = rotationDraft(signerOf(1), signerOf(7))
    assert.deepEqual(await codes([draft(1)], [rotation]), [])
    assert.deepEqual(await codes([rotationDraft(signerOf(7), signerOf(1))], [draft(1)]), [])
    assert.deepEqual(await codes([rotation, draft(1)]), ['CHAIN_ROTATION_INVALID'])
    assert.deepEqual(await codes([draft(1)], [rotationDraft(signerOf(7), signerOf(1))]), [
      'CHAIN_ROTATION_INVALID'
    ])
    const forged = rotationDraft(signerOf(1), signerOf(7)).payload
    assert(Array.isArray(forged))
    const swapped = { ...rotation, payload: [forged[0], forged[2], forged[1]] as Cbor }
    assert.deepEqual(await codes([swapped]), ['CHAIN_ROTATION_INVALID'])
    assert.deepEqual(await codes([{ ...rotation, payload: null }]), ['CHAIN_ROTATION_INVALID'])
    assert.deepEqual(await codes([rotationDraft(signerOf(5), signerOf(6))]), [
      'CHAIN_ROTATION_INVALID'
    ])
  })

  it('allows a payload to be absent where an entry says who took it out', async () => {
    const chain = await kit(1).open()
    const [ref] = await chain.append([draft(1), draft(2)])
    assert(ref !== undefined)
    await chain.append([
      draft(0, {
        kind: 'chain.redacted',
        subject: `entry:${ref.id}`,
        payload: { reason: 'a name' }
      })
    ])
    const report = await exported(chain)
    assert.deepEqual([report.problems, report.payloadsAbsent], [[], 1])
    await chain.stop()
  })

  it('proves that a payload was redacted, by whom and why; an absent one alone proves nothing', async () => {
    const { byOwner, byAdmin, absent } = await redactedFiles()
    const judge = (text: string): Promise<OfflineReport> =>
      verifyFile(nodePrimitives, chunks(utf8(text)))
    for (const [text, author, lanes] of [
      [byOwner, signerOf(2).nodeId, 1],
      [byAdmin, signerOf(1).nodeId, 2]
    ] as const) {
      const { ok, problems, entry, redaction, ...report } = await judge(text)
      assert.deepEqual([ok, problems], [true, []])
      assert.deepEqual([report.lanes, report.entries, report.blocks], [lanes, 2, 2])
      assert.equal(entry?.payload, null)
      assert.equal(redaction?.id.endsWith(author), true)
      assert.deepEqual(
        decode(redaction?.payload ?? new Uint8Array(0)),
        new Map([['reason', 'a name']])
      )
    }
    const bare = await judge(absent)
    assert.deepEqual(
      [bare.ok, bare.redaction, JSON.parse(absent).format],
      [true, null, 'weft-proof/1']
    )
  })

  it('refuses a redaction of another entry, by one who may not, or beside the payload', async () => {
    const { byOwner, byAdmin } = await redactedFiles()
    const changed = async (text: string, change: (proof: Part) => void): Promise<string> => {
      const proof: Part = JSON.parse(text)
      change(proof)
      const bytes = utf8(`${JSON.stringify(proof, null, 2)}\n`)
      const { ok, problems } = await verifyFile(nodePrimitives, chunks(bytes))
      assert.equal(ok, false)
      return problems[0]?.code ?? ''
    }
    const other = JSON.parse(byAdmin)
    const codesOf = [
      // The entry itself in the place of its redaction: it is none.
      await changed(byOwner, (proof) => {
        proof['redaction'] = pick(proof, 'entry', 'payload', 'block', 'checkpoint')
      }),
      await changed(byOwner, (proof) => delete proof['redaction']),
      await changed(byOwner, (proof) => (proof['payload'] = other.redaction.payload)),
      await changed(byOwner, (proof) => (proof['format'] = 'weft-proof/1')),
      await changed(byOwner, (proof) => (proof['format'] = 'weft-proof/3')),
      // The admin is none in a mesh that somebody else founded: its lane is of nobody there.
      await changed(byAdmin, (proof) => (proof['mesh'] = foreignMesh())),
      // And where it is a member, it may not.
      await changed(byAdmin, (proof) => (proof['mesh'] = foreignMesh(signerOf(1))))
    ]
    assert.deepEqual(codesOf, [
      'CHAIN_REDACTION_INVALID',
      'CHAIN_PROOF_INVALID',
      'CHAIN_PROOF_INVALID',
      'CHAIN_PROOF_INVALID',
      'CHAIN_PROOF_INVALID',
      'CHAIN_LANE_UNKNOWN',
      'CHAIN_REDACTION_INVALID'
    ])
  })

  it('decodes what core/ encodes, and refuses every encoding that core/ refuses', () => {
    // Both refuse to read `__proto__`, whatever stands behind it.
    const key = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text !== '__proto__')
    const values: fc.Arbitrary<Cbor> = fc.letrec<{ value: Cbor }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constant(null),
        fc.boolean(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((each) => (each === 0 ? 0 : each)),
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
        fc.string({ unit: 'grapheme' }),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 })
      )
    })).value
    fc.assert(
      fc.property(values, fc.nat(), fc.nat({ max: 255 }), (value, at, mask) => {
        const bytes = encodeCbor(value)
        assert.deepEqual(shape(decode(bytes)), shape(decodeCbor(bytes)))
        const bent = bytes.slice()
        bent[at % bent.length] = (bent[at % bent.length] ?? 0) ^ mask
        assert.equal(
          accepts(() => decode(bent)),
          accepts(() => decodeCbor(bent)),
          toHex(bent)
        )
      }),
      { numRuns: 3000 }
    )
  }).timeout(30_000)
})

function accepts(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

/** Maps and plain objects alike. */
function shape(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, inner]) => [key, shape(inner)])
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(shape)
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, inner]) => [key, shape(inner)] as const)
      .toSorted(([a], [b]) => Buffer.compare(encodeCbor(a), encodeCbor(b)))
  }
  return value
}
