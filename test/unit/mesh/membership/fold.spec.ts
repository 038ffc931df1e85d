import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeCbor, encodeCbor, unixMillis } from '../../../../core/index.ts'
import type { MeshId, Signer } from '../../../../core/index.ts'
import { admissionProblem, foldMembership } from '../../../../mesh/membership/fold.ts'
import type { Membership } from '../../../../mesh/membership/fold.ts'
import {
  foundedMesh,
  parseStatement,
  signStatement
} from '../../../../mesh/membership/statement.ts'
import type { Role, Statement } from '../../../../mesh/membership/statement.ts'
import { testSigner } from '../lab.ts'

const saidAt = unixMillis(1_800_000_000_000)
const signers = Array.from({ length: 8 }, (_, index) => testSigner(`node-${index}`))

function signerAt(index: number): Signer {
  return signers[index % signers.length] ?? testSigner('none')
}

function genesis(by: Signer, name = 'founder'): Statement {
  const nonce = new Uint8Array(16)
  return signStatement(by, {
    kind: 'genesis',
    node: by.nodeId,
    name,
    role: 'admin',
    nonce,
    at: saidAt
  })
}

type Admitted = readonly [node: Signer, role: Role, name: string]

function admit(mesh: MeshId, by: Signer, [node, role, name]: Admitted): Statement {
  const invite = '00'.repeat(16)
  return signStatement(by, {
    kind: 'admit',
    mesh,
    node: node.nodeId,
    name,
    role,
    invite,
    at: saidAt
  })
}

function shown(membership: Membership | null): readonly string[] {
  const members = [...(membership?.members.values() ?? [])]
  return members.map(({ nodeId, name, role }) => `${nodeId} ${name} ${role}`).toSorted()
}

describe('mesh/membership: the fold', () => {
  const first = genesis(signerAt(0))
  const mesh = foundedMesh(first)
  const foreign = genesis(signerAt(1))
  const foreignMesh = foundedMesh(foreign)

  const arbitraryAdmit = fc
    .record({
      by: fc.nat(7),
      node: fc.nat(7),
      role: fc.constantFrom<Role>('admin', 'member'),
      name: fc.constantFrom('a', 'b', 'c', 'founder'),
      isForeign: fc.boolean()
    })
    .map(({ by, node, role, name, isForeign }) =>
      admit(isForeign ? foreignMesh : mesh, signerAt(by), [signerAt(node), role, name])
    )

  it('depends on the set alone, not on order or repetition (M1)', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryAdmit, { maxLength: 20 }),
        fc.infiniteStream(fc.nat()),
        (admits, dice) => {
          const all = [first, foreign, ...admits]
          const shuffled = [...all, ...all.filter((_, index) => index % 3 === 0)]
            .map((each) => ({ each, key: dice.next().value ?? 0 }))
            .toSorted((a, b) => a.key - b.key)
            .map(({ each }) => each)
          assert.deepEqual(shown(foldMembership(mesh, shuffled)), shown(foldMembership(mesh, all)))
        }
      )
    )
  })

  it('counts only what a chain of admins leads to from the genesis (M2)', () => {
    fc.assert(
      fc.property(fc.array(arbitraryAdmit, { maxLength: 20 }), (admits) => {
        const folded = foldMembership(mesh, [first, foreign, ...admits])
        const admins = new Set<string>([first.by])
        const members = new Set<string>([first.by])
        for (let round = 0; round <= admits.length; round++) {
          for (const { by, body } of admits) {
            if (body.kind !== 'admit' || body.mesh !== mesh || !admins.has(by)) continue
            members.add(body.node)
            if (body.role === 'admin') admins.add(body.node)
          }
        }
        assert.deepEqual(new Set(folded?.members.keys()), members)
        for (const [id, { role }] of folded?.members ?? []) {
          assert.equal(role === 'admin', admins.has(id))
        }
      })
    )
  })

  it('only grows when statements are added (M3)', () => {
    fc.assert(
      fc.property(fc.array(arbitraryAdmit), fc.array(arbitraryAdmit), (some, more) => {
        const before = foldMembership(mesh, [first, ...some])
        const after = foldMembership(mesh, [first, ...some, ...more])
        assert.ok([...(before?.members.keys() ?? [])].every((id) => after?.members.has(id)))
      })
    )
  })

  it('shows each name once, and never takes the founder’s from it (M4)', () => {
    fc.assert(
      fc.property(fc.array(arbitraryAdmit, { maxLength: 20 }), (admits) => {
        const folded = foldMembership(mesh, [first, ...admits])
        const names = [...(folded?.members.values() ?? [])].map(({ name }) => name)
        assert.equal(new Set(names).size, names.length)
        assert.equal(folded?.members.get(first.by)?.name, 'founder')
      })
    )
  })

  it('is nothing without the genesis of the mesh', () => {
    assert.equal(foldMembership(mesh, [foreign]), null)
    assert.equal(foldMembership(mesh, []), null)
  })

  it('says why a node may not be admitted', () => {
    const server = admit(mesh, signerAt(0), [signerAt(1), 'member', 'server'])
    const membership = foldMembership(mesh, [first, server])
    assert.ok(membership !== null)
    const problem = (admin: number, node: number, name: string): string | null =>
      admissionProblem(membership, signerAt(admin).nodeId, { node: signerAt(node).nodeId, name })
    assert.equal(problem(0, 2, 'desk'), null)
    assert.equal(problem(1, 2, 'desk'), 'not-admin')
    assert.equal(problem(0, 2, 'server'), 'name-taken')
    assert.equal(problem(0, 1, 'server'), null)
  })
})

describe('mesh/membership: statements', () => {
  const by = signerAt(0)
  const statement = admit(foundedMesh(genesis(by)), by, [signerAt(1), 'member', 'server'])

  it('come back from their bytes', () => {
    assert.deepEqual(parseStatement(statement.bytes), statement)
  })

  it('are refused when any byte is changed', () => {
    fc.assert(
      fc.property(
        fc.nat(statement.bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const bytes = statement.bytes.slice()
          bytes[at] = (bytes[at] ?? 0) ^ flip
          assert.throws(() => parseStatement(bytes), { code: 'MESH_STATEMENT_INVALID' })
        }
      )
    )
  })

  it('are refused when they are no statements, and never break anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        assert.throws(() => parseStatement(bytes), { code: 'MESH_STATEMENT_INVALID' })
      })
    )
  })

  it('are refused with fields that this version does not know, though well signed', () => {
    const outer = decodeCbor(statement.bytes)
    assert.ok(Array.isArray(outer) && outer[0] instanceof Uint8Array)
    const body = { ...Object(decodeCbor(outer[0])), expires: 1 }
    const bodyBytes = encodeCbor(body)
    const signature = by.sign('weft/statement/1', bodyBytes)
    assert.throws(() => parseStatement(encodeCbor([bodyBytes, by.nodeId, signature])), {
      code: 'MESH_STATEMENT_INVALID'
    })
  })
})
