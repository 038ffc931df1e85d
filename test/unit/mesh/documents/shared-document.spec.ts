import assert from 'node:assert/strict'
import fc from 'fast-check'
import { meshId } from '../../../../core/index.ts'
import type { NodeId, Signer } from '../../../../core/index.ts'
import { RowDocument } from '../../../../mesh/documents/automerge.ts'
import { SharedDocument } from '../../../../mesh/documents/shared-document.ts'
import {
  digestOf,
  NO_POSITION,
  positionOf,
  stepsSince
} from '../../../../mesh/documents/shared-log.ts'
import {
  checkedStep,
  NO_BASE,
  readStep,
  signDelta
} from '../../../../mesh/documents/shared-step.ts'
import { SHARED_DELTAS_PER_BASE_MAX, SHARED_ROWS_MAX } from '../../../../mesh/limits.ts'
import { SeededEntropy } from '../../../sim/world/seeded-entropy.ts'
import { SeededPrng } from '../../../sim/world/seeded-prng.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

const mesh = meshId('ab'.repeat(32))
const signers = ['a', 'b', 'c'].map(testSigner)
const ALL = Number.MAX_SAFE_INTEGER

describe('mesh/documents: a document with several writers', () => {
  const clock = new VirtualClock()
  let entropy: SeededEntropy

  beforeEach(() => {
    entropy = new SeededEntropy(new SeededPrng(1))
  })

  function open(signer: Signer): SharedDocument {
    return new SharedDocument({ signer, clock, entropy, isAdmin: () => true }, mesh, 'labels')
  }

  function three(): readonly [SharedDocument, SharedDocument, SharedDocument] {
    const [a, b, c] = signers.map(open)
    assert(a !== undefined && b !== undefined && c !== undefined)
    return [a, b, c]
  }

  /** All that `to` lacks, over the wire; or the first few of it. */
  function give(from: SharedDocument, to: SharedDocument, most: number = ALL): void {
    const missing = stepsSince(from.log, positionOf(to.log), ALL)
    for (const { bytes } of missing.slice(0, most)) {
      to.receive(checkedStep(readStep(bytes)), true)
    }
  }

  function meet(documents: readonly SharedDocument[]): void {
    const digests = (): string => documents.map(({ log }) => String(digestOf(log))).join()
    for (let before = ''; before !== digests();) {
      before = digests()
      for (const from of documents) for (const to of documents) if (from !== to) give(from, to)
    }
  }

  it('comes to the same on all nodes, whoever wrote what at once', () => {
    const [a, b, c] = three()
    a.edit(new Map([['x', '"a"'], ['of a', '1']])) // oxfmt-ignore
    b.edit(new Map([['x', '"b"'], ['of b', '2']])) // oxfmt-ignore
    meet([a, b, c])
    assert.deepEqual(a.table(), b.table())
    assert.deepEqual(a.table(), c.table())
    assert.deepEqual(Object.keys(a.table()).toSorted(), ['of a', 'of b', 'x'])
    c.edit(new Map([['x', null]]))
    meet([a, b, c])
    assert.equal(a.table()['x'], undefined)
  })

  it('makes no change of what is so already', () => {
    const [a] = three()
    assert.notEqual(a.edit(new Map([['x', '1']])), null)
    assert.equal(a.edit(new Map([['x', '1']])), null)
    assert.equal(a.log.deltas.length, 1)
  })

  it('takes up the same base everywhere, and loses no write of a writer that it did not hold (W1)', () => {
    const [a, b, c] = three()
    a.edit(new Map([['of a', '1']]))
    b.edit(new Map([['of b', '1']]))
    a.rebase(() => true)
    b.rebase(() => true)
    c.edit(new Map([['of c', '1']]))
    meet([a, b, c])
    assert.equal(a.log.base?.id, b.log.base?.id)
    assert.equal(a.log.base?.id, c.log.base?.id)
    assert.deepEqual({ ...c.table() }, { 'of a': 1, 'of b': 1, 'of c': 1 })
    assert.deepEqual(a.table(), b.table())
  })

  it('writes nothing again that a base of a base holds, however long its writer was away', () => {
    const [a, b, c] = three()
    c.edit(new Map([['x', '"old"']]))
    give(c, a)
    a.rebase(() => true)
    give(a, b)
    b.edit(new Map([['x', '"new"']]))
    b.rebase(() => true)
    give(b, c)
    assert.deepEqual(c.log.deltas, [])
    assert.equal(c.table()['x'], 'new')
  })

  it('agrees after any writes, losses, restarts and bases, and has the last word of each writer', () => {
    const node = fc.nat({ max: 2 })
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.tuple(fc.constant('write' as const), node, fc.nat({ max: 3 })) },
      {
        weight: 5,
        arbitrary: fc.tuple(fc.constant('give' as const), node, node, fc.nat({ max: 4 }))
      },
      { weight: 1, arbitrary: fc.tuple(fc.constant('rebase' as const), node) },
      { weight: 1, arbitrary: fc.tuple(fc.constant('restart' as const), node) }
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const documents = signers.map(open)
        const at = (index: number): SharedDocument => {
          const document = documents[index]
          assert(document !== undefined)
          return document
        }
        const last = new Map<string, number>()
        let number = 0
        for (const [kind, index, ...more] of steps) {
          const [one = 0, most = 0] = more
          if (kind === 'write') {
            number += 1
            const key = `${index}:${one}`
            at(index).edit(new Map([[key, String(number)], ['everybody', String(number)]])) // oxfmt-ignore
            last.set(key, number)
          } else if (kind === 'give' && one !== index) give(at(index), at(one), most)
          else if (kind === 'rebase') at(index).rebase(() => true)
          else if (kind === 'restart') {
            const { log } = at(index)
            const signer = signers[index]
            assert(signer !== undefined)
            const fresh = open(signer)
            const kept = [...(log.base === null ? [] : [log.base]), ...log.deltas]
            fresh.restore(
              kept.map(({ bytes }) => checkedStep(readStep(bytes))),
              at(index).own
            )
            documents[index] = fresh
          }
        }
        meet(documents)
        const [a, b, c] = documents.map((document) => ({ ...document.table() }))
        assert.deepEqual(a, b)
        assert.deepEqual(a, c)
        for (const [key, value] of last) assert.equal(a?.[key], value, key)
      }),
      { numRuns: 150 }
    )
  })

  it('is due for a base when its history outgrows it, and when a writer may write no more', () => {
    const [a, b] = three()
    const may = (): boolean => true
    let last = 0
    while (!a.needsBase(may)) {
      last += 1
      a.edit(new Map([['x', String(last)]]))
    }
    assert.ok(last > 50 && last <= SHARED_DELTAS_PER_BASE_MAX, String(last))
    b.edit(new Map([['y', '1']]))
    give(b, a)
    const [base] = a.rebase(may)
    assert.ok(base !== undefined && base.payload.length < 1000)
    assert.deepEqual({ ...a.table() }, { x: last, y: 1 })
    assert.equal(a.needsBase(may), false)
    give(a, b)
    b.edit(new Map([['y', '2']]))
    give(b, a)
    const isOfA = (author: NodeId): boolean => author === signers[0]?.nodeId
    assert.equal(a.needsBase(isOfA), true, 'a change of b is not in the base yet')
    a.rebase(may)
    assert.equal(a.needsBase(isOfA), false)
    const isOther = (author: NodeId): boolean => !isOfA(author)
    assert.equal(b.needsBase(isOther), true, 'nobody else takes the base of a any more')
  })

  it('keeps a change that is not its writer’s own out of the rows, and goes on (W2, W3)', () => {
    const [a, b] = three()
    const [, thief] = signers
    assert(thief !== undefined)
    a.edit(new Map([['x', '1']]))
    const theirs = RowDocument.create('somebody else')
    const payload = theirs.edit(new Map([['x', '"stolen"']]))
    assert(payload !== null)
    const forged = signDelta(thief, {
      kind: 'delta',
      mesh,
      document: 'labels',
      author: thief.nodeId,
      base: NO_BASE,
      stream: '00'.repeat(8),
      sequence: 1,
      previous: 0,
      payload
    })
    const outcome = a.receive(forged, true)
    assert.equal(outcome.kind, 'extended')
    assert.equal((outcome.spoiled as { code?: string } | null)?.code, 'MESH_DOCUMENT_INVALID')
    a.edit(new Map([['y', '1']]))
    meet([a, b])
    assert.deepEqual({ ...b.table() }, { x: 1, y: 1 })
    assert.equal(
      a.needsBase(() => true),
      true
    )
    a.rebase(() => true)
    meet([a, b])
    assert.deepEqual({ ...b.table() }, { x: 1, y: 1 })
    assert.equal(
      b.needsBase(() => true),
      false
    )
  })

  it('survives a base that cannot be read', () => {
    const [a, b] = three()
    a.edit(new Map([['x', '1']]))
    const [base] = a.rebase(() => true)
    assert(base?.kind === 'base')
    const broken = { ...base, payload: Uint8Array.of(1, 2, 3), epoch: 2, id: '0'.repeat(64) }
    assert.notEqual(b.receive(broken, true).spoiled, null)
    b.edit(new Map([['y', '1']]))
    assert.deepEqual({ ...b.table() }, { y: 1 })
    assert.equal(
      b.needsBase(() => true),
      true
    )
  })

  it('refuses rows beyond its bound, and stays as it was', () => {
    const [a] = three()
    const many = new Map(
      Array.from({ length: SHARED_ROWS_MAX + 1 }, (_, index) => [`k${index}`, '1'])
    )
    assert.throws(() => a.edit(many), { code: 'MESH_LIMIT_REACHED' })
    assert.deepEqual({ ...a.table() }, {})
    assert.equal(stepsSince(a.log, NO_POSITION, ALL).length, 0)
  })
})
