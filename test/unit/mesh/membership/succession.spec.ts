// A key that hands over to another one, and what a thief of the old key can do then: nothing.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeCbor, encodeCbor, signRotation, unixMillis } from '../../../../core/index.ts'
import { foldMembership } from '../../../../mesh/membership/fold.ts'
import { Roster } from '../../../../mesh/membership/roster.ts'
import { parseStatement, signStatement } from '../../../../mesh/membership/statement.ts'
import type { Statement } from '../../../../mesh/membership/statement.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { testSigner } from '../lab.ts'
import { idOf, shown, Speech } from './statements.ts'

const at = unixMillis(1_800_000_000_000)

describe('mesh/membership: a new key in the place of an old one', () => {
  const speech = new Speech('ada')
  const bob = speech.admit('ada', 'bob', 'admin')
  const carol = speech.admit('bob', 'carol')

  it('the new key has name and role of the old one, which is a member no more (M7)', () => {
    const folded = speech.fold(bob, carol, speech.succeed('bob', 'bob-2', [carol]))
    assert.deepEqual(shown(folded), ['ada admin', 'bob admin', 'carol member'])
    assert.equal(folded.members.get(idOf('bob-2'))?.name, 'bob')
    assert.equal(folded.departed.get(idOf('bob'))?.kind, 'succeeded')
  })

  it('the founder itself may take another key, and the new one admits', () => {
    const next = speech.succeed('ada', 'ada-2', [bob])
    const dave = speech.admit('ada-2', 'dave')
    assert.deepEqual(shown(speech.fold(bob, carol, next, dave)), [
      'ada admin',
      'bob admin',
      'carol member',
      'dave member'
    ])
  })

  it('whatever the old key says afterwards is void', () => {
    const next = speech.succeed('bob', 'bob-2', [carol])
    const thief = speech.admit('bob', 'mallory', 'admin')
    const out = speech.revoke('bob', 'ada')
    const folded = speech.fold(bob, carol, next, thief, out)
    assert.deepEqual(shown(folded), ['ada admin', 'bob admin', 'carol member'])
  })

  it('an eviction that did not know of the hand-over ends both keys', () => {
    const next = speech.succeed('bob', 'bob-2', [carol])
    const folded = speech.fold(bob, carol, next, speech.revoke('ada', 'bob', [carol]))
    assert.deepEqual(shown(folded), ['ada admin', 'carol member'])
    const known = speech.fold(bob, next, speech.revoke('ada', 'bob-2'))
    assert.deepEqual(shown(known), ['ada admin'])
  })

  it('a demoted admin hands over a member, and a key that has left hands over nothing', () => {
    const next = speech.succeed('bob', 'bob-2', [carol])
    const demoted = speech.fold(bob, next, speech.role('ada', ['bob', 'member'], { keeps: [next] }))
    assert.deepEqual(shown(demoted), ['ada admin', 'bob member'])
    const admits = speech.admit('bob-2', 'eve')
    const later = speech.fold(bob, next, speech.role('ada', ['bob', 'member']), admits)
    assert.deepEqual(shown(later), ['ada admin', 'bob member'])
    const left = speech.fold(bob, carol, speech.leave('bob', [bob]), next)
    assert.deepEqual(shown(left), ['ada admin', 'carol member'])
  })

  it('both keys of one admin are one signature of two', () => {
    const two = speech.quorum('ada', 2, { keeps: [bob, carol] })
    const signs = speech.approve('bob', [two])
    const frank = speech.admit('bob', 'frank')
    const next = speech.succeed('bob', 'bob-2', [carol, frank, signs])
    const again = speech.approve('bob-2', [frank])
    const folded = speech.fold(bob, carol, two, signs, frank, next, again)
    assert.equal(folded.signatures, 2)
    assert.deepEqual(shown(folded), ['ada admin', 'bob admin', 'carol member'])
    const adas = speech.fold(bob, two, signs, frank, next, again, speech.approve('ada', [frank]))
    assert.ok(shown(adas).includes('frank member'))
  })

  it('the fold depends on the set alone, also with two heirs of one key (M1)', () => {
    const said = [
      bob,
      carol,
      speech.succeed('bob', 'bob-2', [carol]),
      speech.succeed('bob', 'bob-3'),
      speech.succeed('bob-2', 'bob-4'),
      speech.succeed('carol', 'bob'),
      speech.leave('carol', [carol]),
      speech.admit('bob-4', 'gina'),
      speech.revoke('ada', 'bob-3'),
      speech.role('ada', ['bob-2', 'member'])
    ]
    fc.assert(
      fc.property(fc.subarray(said), fc.infiniteStream(fc.nat()), (chosen, chance) => {
        const order = [...chosen, ...chosen].toSorted(() => ((chance.next().value ?? 0) % 3) - 1)
        const a = foldMembership(speech.mesh, [speech.genesis, ...chosen])
        const b = foldMembership(speech.mesh, [...order, speech.genesis])
        assert.deepEqual(a, b)
        const names = [...(a?.members.values() ?? [])].map(({ name }) => name)
        assert.equal(new Set(names).size, names.length)
      }),
      { numRuns: 300 }
    )
  })

  it('a roster takes in no second heir, and no leaving, of a key that has handed over (R5)', async () => {
    const roster = new Roster(new MemoryStore(), () => undefined)
    const next = speech.succeed('bob', 'bob-2', [carol])
    await roster.enter(speech.mesh, [speech.genesis, bob, carol])
    assert.equal(await roster.absorb([next.bytes]), 1)
    const thefts = [speech.succeed('bob', 'bob-0'), speech.leave('bob', [bob])]
    for (let serial = 0; serial < 20; serial += 1) thefts.push(speech.succeed('bob', `x${serial}`))
    assert.equal(await roster.absorb(thefts.map(({ bytes }) => bytes)), 0)
    assert.equal(roster.member(idOf('bob-2'))?.role, 'admin')
    assert.equal(roster.heirOf(idOf('bob')), idOf('bob-2'))
    assert.equal(roster.predecessorOf(idOf('bob-2'))?.node, idOf('bob'))
  })

  it('a statement is refused that lacks the signature of either key, or speaks of other keys', () => {
    const [old, heir, other] = [testSigner('bob'), testSigner('bob-2'), testSigner('eve')]
    const body = (rotation: Uint8Array): Statement =>
      signStatement(old, {
        kind: 'succeed',
        mesh: speech.mesh,
        node: heir.nodeId,
        rotation,
        keeps: [],
        at
      })
    const good = signRotation(old, heir)
    assert.equal(parseStatement(body(good).bytes).body.kind, 'succeed')
    const parts: unknown = decodeCbor(good)
    assert.ok(Array.isArray(parts))
    const [said, byOld]: Uint8Array[] = parts
    assert.ok(said !== undefined && byOld !== undefined)
    const wrong = [
      encodeCbor([said, byOld, byOld]),
      signRotation(other, heir),
      signRotation(old, other),
      signRotation(heir, old)
    ]
    for (const rotation of wrong) {
      assert.throws(() => parseStatement(body(rotation).bytes), { code: 'MESH_STATEMENT_INVALID' })
    }
  })
})
