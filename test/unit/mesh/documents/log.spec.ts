import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeCbor, meshId } from '../../../../core/index.ts'
import { parseEnvelope, signEnvelope } from '../../../../mesh/documents/envelope.ts'
import type { Envelope, EnvelopeKind } from '../../../../mesh/documents/envelope.ts'
import {
  acceptEnvelope,
  encodeVector,
  envelopesSince,
  needsRebase,
  parseVector,
  positionOf
} from '../../../../mesh/documents/log.ts'
import type { DocumentLog } from '../../../../mesh/documents/log.ts'
import {
  DELTA_BYTES_PER_BASE_MIN,
  DELTAS_PER_BASE_MAX,
  DOCUMENT_BYTES_MAX
} from '../../../../mesh/limits.ts'
import { testSigner } from '../lab.ts'

const signer = testSigner('owner')
const mesh = meshId('ab'.repeat(32))

function step(generation: number, sequence: number, kind: EnvelopeKind, size = 1): Envelope {
  const payload = new Uint8Array(size)
  return signEnvelope(signer, { mesh, owner: signer.nodeId, generation, sequence, kind, payload })
}

function logOf(envelopes: readonly Envelope[]): DocumentLog | null {
  return envelopes.reduce<DocumentLog | null>((log, envelope) => {
    const acceptance = acceptEnvelope(log, envelope)
    return 'log' in acceptance ? acceptance.log : log
  }, null)
}

describe('mesh/documents: the log of one document', () => {
  // Two generations; in the first one the owner re-bases at sequence 4.
  const history = [
    step(1, 1, 'base'),
    step(1, 2, 'delta'),
    step(1, 3, 'delta'),
    step(1, 4, 'base'),
    step(1, 5, 'delta'),
    step(2, 1, 'base'),
    step(2, 2, 'delta'),
    step(2, 3, 'delta')
  ]

  it('stays contiguous and only grows, whatever arrives in whatever order (S1, S2)', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...history), { maxLength: 40 }), (received) => {
        let log: DocumentLog | null = null
        for (const envelope of received) {
          const before: DocumentLog | null = log
          const acceptance = acceptEnvelope(log, envelope)
          if ('log' in acceptance) log = acceptance.log
          if (log === null) continue
          const steps = [log.base, ...log.deltas]
          assert.equal(log.base.kind, 'base')
          steps.forEach((each, index) => {
            assert.equal(each.generation, steps[0]?.generation)
            assert.equal(each.sequence, (steps[0]?.sequence ?? 0) + index)
          })
          if (before === null) continue
          const [old, now] = [positionOf(before), positionOf(log)]
          const hasGrown =
            now.generation > old.generation ||
            (now.generation === old.generation && now.sequence >= old.sequence)
          assert.ok(hasGrown)
        }
      })
    )
  })

  it('brings anybody to its head from any position, however small the messages (S3)', () => {
    fc.assert(
      fc.property(
        fc.nat(history.length),
        fc.nat(history.length),
        fc.nat(2000),
        (a, b, bytesMax) => {
          const ahead = logOf(history.slice(0, Math.max(a, b)))
          let behind = logOf(history.slice(0, Math.min(a, b)))
          if (ahead === null) return
          for (let round = 0; round < 10; round++) {
            const position = behind === null ? null : positionOf(behind)
            const sent = envelopesSince(ahead, position, bytesMax)
            if (sent.length === 0) break
            for (const envelope of sent) {
              const acceptance = acceptEnvelope(behind, envelope)
              if ('log' in acceptance) behind = acceptance.log
            }
          }
          assert.deepEqual(behind && positionOf(behind), positionOf(ahead))
        }
      )
    )
  })

  it('says what is missing instead of taking a step out of order', () => {
    assert.equal(acceptEnvelope(null, step(1, 2, 'delta')).kind, 'gap')
    const log = logOf(history.slice(0, 2))
    assert.equal(acceptEnvelope(log, step(1, 4, 'delta')).kind, 'gap')
    assert.equal(acceptEnvelope(log, step(2, 3, 'delta')).kind, 'gap')
    assert.equal(acceptEnvelope(log, step(1, 2, 'delta')).kind, 'known')
    assert.equal(acceptEnvelope(log, step(0, 9, 'base')).kind, 'known')
  })

  it('takes no step over its budget, in bytes or in number (S4)', () => {
    let log = logOf([step(1, 1, 'base')])
    const large = 1024 * 1024
    for (let sequence = 2; sequence < 5; sequence++) {
      const acceptance = acceptEnvelope(log, step(1, sequence, 'delta', large))
      assert.ok('log' in acceptance)
      log = acceptance.log
    }
    assert.equal(acceptEnvelope(log, step(1, 5, 'delta', large)).kind, 'over-budget')
    assert.ok((log?.deltaBytes ?? 0) < DOCUMENT_BYTES_MAX)
  })

  it('asks for a new base when history outgrows state', () => {
    const base = step(1, 1, 'base')
    const delta = step(1, 2, 'delta')
    assert.ok(!needsRebase({ base, deltas: [delta], deltaBytes: delta.bytes.length }))
    assert.ok(needsRebase({ base, deltas: [delta], deltaBytes: 64 * 1024 + 1 }))
    const many = Array.from({ length: DELTAS_PER_BASE_MAX }, () => delta)
    assert.ok(needsRebase({ base, deltas: many, deltaBytes: 1 }))
  })

  it('asks for it at another time on each base, so that members that change alike do not at once', () => {
    const delta = step(1, 2, 'delta', 300)
    const counts = Array.from({ length: 16 }, (_, index) => {
      const base = step(1, 1, 'base', index)
      const most = DELTA_BYTES_PER_BASE_MIN / delta.bytes.length
      for (let count = 1; ; count++) {
        const deltas = Array.from({ length: count }, () => delta)
        if (!needsRebase({ base, deltas, deltaBytes: count * delta.bytes.length })) continue
        assert.ok(count >= most / 2 && count <= most + 1, `${count} of ${most}`)
        return count
      }
    })
    assert.ok(new Set(counts).size >= 8, String(counts))
  })

  it('reads a vector and leaves out what is none', () => {
    const vector = new Map([[signer.nodeId, { generation: 3, sequence: 9 }]])
    const isOwner = (id: string): id is typeof signer.nodeId => id === signer.nodeId
    assert.deepEqual(parseVector(encodeVector(vector), isOwner), vector)
    for (const bad of [null, 7, [], { [signer.nodeId]: [1] }, { [signer.nodeId]: [-1, 1] }]) {
      assert.equal(parseVector(bad, isOwner).size, 0)
    }
    assert.equal(parseVector({ stranger: [1, 1] }, isOwner).size, 0)
  })
})

describe('mesh/documents: envelopes', () => {
  const envelope = step(1, 2, 'delta', 40)

  it('come back from their bytes', () => {
    assert.deepEqual(parseEnvelope(envelope.bytes), envelope)
  })

  it('are refused when any byte is changed, or another signed them', () => {
    fc.assert(
      fc.property(
        fc.nat(envelope.bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const bytes = envelope.bytes.slice()
          bytes[at] = (bytes[at] ?? 0) ^ flip
          assert.throws(() => parseEnvelope(bytes), { code: 'MESH_DOCUMENT_INVALID' })
        }
      )
    )
    const { bytes: _, ...body } = envelope
    const forged = signEnvelope(testSigner('other'), body)
    assert.throws(() => parseEnvelope(forged.bytes), { code: 'MESH_DOCUMENT_INVALID' })
  })

  it('are refused when they are none', () => {
    for (const bad of [null, 'x', new Uint8Array(), encodeCbor([1, 2]), encodeCbor({ a: 1 })]) {
      assert.throws(() => parseEnvelope(bad), { code: 'MESH_DOCUMENT_INVALID' })
    }
    const huge = new Uint8Array(2 * 1024 * 1024 + 1)
    assert.throws(() => parseEnvelope(huge), { code: 'MESH_DOCUMENT_INVALID' })
  })
})
