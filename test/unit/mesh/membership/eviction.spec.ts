import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseStatement } from '../../../../mesh/membership/statement.ts'
import type { Statement } from '../../../../mesh/membership/statement.ts'
import { idOf, shown, Speech } from './statements.ts'

describe('mesh/membership: evictions, roles and leaving', () => {
  const say = new Speech('ada')
  const bob = say.admit('ada', 'bob', 'admin')
  const cyn = say.admit('ada', 'cyn')

  it('evicts for good: no later admission brings a key back (M3)', () => {
    const out = say.revoke('ada', 'cyn')
    const back = [say.admit('ada', 'cyn'), say.admit('bob', 'cyn', 'admin')]
    const { members, departed } = say.fold(bob, cyn, out, ...back)
    assert.equal(members.has(idOf('cyn')), false)
    assert.equal(departed.get(idOf('cyn'))?.kind, 'evicted')
    assert.equal(departed.get(idOf('cyn'))?.by, idOf('ada'))
  })

  it('counts an eviction by an admin only (M2)', () => {
    assert.deepEqual(shown(say.fold(bob, cyn, say.revoke('cyn', 'bob'))), [
      'ada admin',
      'bob admin',
      'cyn member'
    ])
    const isSelf = say.revoke('eve', 'bob')
    assert.equal(say.fold(bob, cyn, isSelf).members.has(idOf('bob')), true)
  })

  it('counts of an evicted admin what the evictor knew, and nothing it says or dates back later (M5)', () => {
    const dan = say.admit('bob', 'dan')
    const out = say.revoke('ada', 'bob', [dan])
    const late = [say.admit('bob', 'eve', 'admin'), say.revoke('bob', 'dan')]
    assert.deepEqual(shown(say.fold(bob, cyn, dan, out, ...late)), [
      'ada admin',
      'cyn member',
      'dan member'
    ])
  })

  it('hears the founder first where two admins evict each other (M6)', () => {
    const quarrel = [say.revoke('bob', 'ada'), say.revoke('ada', 'bob')]
    assert.deepEqual(shown(say.fold(bob, cyn, ...quarrel)), ['ada admin', 'cyn member'])
  })

  it('evicts the founder by another admin', () => {
    const out = say.revoke('bob', 'ada', [bob, cyn])
    assert.deepEqual(shown(say.fold(bob, cyn, out)), ['bob admin', 'cyn member'])
  })

  it('cannot be outvoted by keys that an evicted admin invents', () => {
    const sybils = ['s1', 's2', 's3'].map((name) => say.admit('bob', name, 'admin'))
    const votes = ['s1', 's2', 's3'].map((name) => say.revoke(name, 'ada'))
    const out = say.revoke('ada', 'bob')
    assert.deepEqual(shown(say.fold(bob, cyn, out, ...sybils, ...votes)), [
      'ada admin',
      'cyn member'
    ])
  })

  it('changes roles, the last word about a node deciding, the lesser of two at once', () => {
    const up = say.role('ada', ['cyn', 'admin'])
    const down = say.role('bob', ['cyn', 'member'], { after: [up] })
    assert.deepEqual(shown(say.fold(bob, cyn, up)).at(-1), 'cyn admin')
    assert.deepEqual(shown(say.fold(bob, cyn, up, down)).at(-1), 'cyn member')
    const both = [say.role('ada', ['cyn', 'admin']), say.role('bob', ['cyn', 'member'])]
    assert.deepEqual(shown(say.fold(bob, cyn, ...both)).at(-1), 'cyn member')
    const again = say.role('ada', ['cyn', 'admin'], { after: [up, down] })
    assert.deepEqual(shown(say.fold(bob, cyn, up, down, again)).at(-1), 'cyn admin')
  })

  it('takes the words of an admin that becomes a member as those of an evicted one', () => {
    const dan = say.admit('bob', 'dan')
    const eve = say.admit('bob', 'eve')
    const down = say.role('ada', ['bob', 'member'], { keeps: [dan] })
    const { members } = say.fold(bob, dan, eve, down)
    assert.deepEqual([members.has(idOf('dan')), members.has(idOf('eve'))], [true, false])
    assert.equal(members.get(idOf('bob'))?.role, 'member')
  })

  it('lets a member leave by its own word only, and come back by a later admission', () => {
    assert.equal(say.fold(bob, cyn, say.leave('bob', [cyn])).members.has(idOf('cyn')), true)
    const gone = say.leave('cyn', [cyn])
    const left = say.fold(bob, cyn, gone)
    assert.equal(left.members.has(idOf('cyn')), false)
    assert.equal(left.departed.get(idOf('cyn'))?.kind, 'left')
    const again = say.fold(bob, cyn, gone, say.admit('bob', 'cyn'))
    assert.equal(again.members.has(idOf('cyn')), true)
    assert.equal(again.departed.size, 0)
  })

  it('keeps what an admin has said when it leaves', () => {
    const dan = say.admit('bob', 'dan')
    assert.deepEqual(shown(say.fold(bob, dan, say.leave('bob', [bob]))), [
      'ada admin',
      'dan member'
    ])
  })

  it('asks for as many signatures as are set, and keeps what counted before', () => {
    const two = say.quorum('ada', 2, { keeps: [bob, cyn] })
    assert.equal(say.fold(bob, cyn, two).signatures, 1) // Bob has not signed it yet.
    const rule = [bob, cyn, two, say.approve('bob', [two])]
    assert.equal(say.fold(...rule).signatures, 2)
    const out = say.revoke('ada', 'cyn')
    const waiting = say.fold(...rule, out)
    assert.equal(waiting.members.has(idOf('cyn')), true)
    assert.deepEqual(waiting.pending[0]?.signers, [idOf('ada')])
    assert.equal(waiting.pending[0]?.needed, 2)
    const forged = say.approve('cyn', [out])
    assert.equal(say.fold(...rule, out, forged).members.has(idOf('cyn')), true)
    const approved = say.fold(...rule, out, say.approve('bob', [out]))
    assert.equal(approved.members.has(idOf('cyn')), false)
  })

  it('lets one admin neither lower the number of signatures nor go around it', () => {
    const two = say.quorum('ada', 2, { keeps: [bob, cyn] })
    const rule = [bob, cyn, two, say.approve('bob', [two])]
    const tricks = [
      say.quorum('ada', 1, { after: [two] }),
      say.quorum('ada', 1),
      say.admit('ada', 'eve', 'admin'),
      say.revoke('ada', 'bob')
    ]
    const { members, signatures } = say.fold(...rule, ...tricks)
    assert.equal(signatures, 2)
    assert.deepEqual([members.has(idOf('eve')), members.has(idOf('bob'))], [false, true])
    const one = say.quorum('bob', 1, { after: [two] })
    assert.equal(say.fold(...rule, one, say.approve('ada', [one])).signatures, 1)
  })

  it('depends on the set alone, and never brings back whom a counting statement evicts (M1, M3)', () => {
    const names = ['ada', 'bob', 'cyn', 'dan', 'eve']
    const name = fc.constantFrom(...names)
    const role = fc.constantFrom('admin' as const, 'member' as const)
    const early = fc
      .array(fc.tuple(name, name, role), { maxLength: 8 })
      .map((list) => list.map(([by, node, as]) => say.admit(by, node, as)))
    const later = (known: readonly Statement[]): fc.Arbitrary<readonly Statement[]> =>
      fc
        .array(fc.tuple(fc.nat(3), name, name, fc.subarray([...known])), { maxLength: 8 })
        .map((list) =>
          list.map(([kind, by, node, keeps]) => {
            if (kind === 0) return say.revoke(by, node, keeps)
            if (kind === 1) return say.role(by, [node, 'member'], { keeps })
            if (kind === 2) return say.role(by, [node, 'admin'], { after: keeps.slice(0, 16) })
            return say.leave(node, keeps.slice(0, 16))
          })
        )
    const all = early.chain((known) =>
      later(known).chain((rest) => fc.shuffledSubarray([...known, ...rest]))
    )
    fc.assert(
      fc.property(all, (statements) => {
        const folded = say.fold(bob, ...statements)
        const other = say.fold(...statements.toReversed(), bob, ...statements)
        assert.deepEqual(other.counted, folded.counted)
        assert.deepEqual(shown(other), shown(folded))
        const counted = new Set(folded.counted)
        for (const { id, body } of statements) {
          if (body.kind !== 'revoke' || !counted.has(id)) continue
          assert.equal(folded.members.has(body.node), false)
        }
      }),
      { numRuns: 300 }
    )
  })

  it('come back from their bytes, whatever they say', () => {
    const all = [
      say.revoke('ada', 'cyn', [bob]),
      say.role('ada', ['cyn', 'admin'], { after: [cyn] }),
      say.leave('cyn', [cyn]),
      say.quorum('ada', 2, { keeps: [bob] }),
      say.approve('bob', [cyn])
    ]
    for (const statement of all) assert.deepEqual(parseStatement(statement.bytes), statement)
  })
})
