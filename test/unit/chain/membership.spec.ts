// Goal: who is a member by a set of statements is one answer, wherever it is asked: the mesh's own fold, the
// offline verifier, and the one in Python, which was written from docs/chain-format.md alone.
// Method: cases of every kind of statement, stored as vectors, and random sets of them.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { z } from 'zod'
import { foldMembers } from '../../../chain/offline/fold.ts'
import { readStatement } from '../../../chain/offline/membership.ts'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import { foldMembership } from '../../../mesh/membership/fold.ts'
import { parseStatement } from '../../../mesh/membership/statement.ts'
import type { Statement } from '../../../mesh/membership/statement.ts'
import { Speech } from '../mesh/membership/statements.ts'

const VECTORS = resolve(import.meta.dirname, '../../vectors/chain/membership.json')
const MEMBERS = resolve(import.meta.dirname, '../../independent/members.py')

const answerSchema = z.object({
  admitted: z.array(z.string()),
  members: z.record(z.string(), z.string()),
  before: z.record(z.string(), z.string())
})
type Answer = z.infer<typeof answerSchema>
const caseSchema = z.object({
  name: z.string(),
  mesh: z.string(),
  statements: z.array(z.string()),
  expected: answerSchema.nullable()
})
type Case = z.infer<typeof caseSchema>

function sorted(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** What the offline verifier says; null where it refuses the statements. */
function offline({ mesh, statements }: Pick<Case, 'mesh' | 'statements'>): Answer | null {
  try {
    const read = statements.map((text) =>
      readStatement(nodePrimitives, Buffer.from(text, 'base64'))
    )
    const all = [...foldMembers(mesh, read).values()]
    const present = all.filter(({ role }) => role === 'admin' || role === 'member')
    return {
      admitted: all.map(({ node }) => node).toSorted(),
      members: sorted(Object.fromEntries(present.map(({ node, role }) => [node, role]))),
      before: sorted(
        Object.fromEntries(all.flatMap(({ node, heir }) => (heir ? [[heir, node]] : [])))
      )
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'Malformed') return null
    throw error
  }
}

/** What a mesh that holds these statements says, and which of them it keeps. */
function inMesh(speech: Speech, statements: readonly Statement[]): [Answer, readonly Statement[]] {
  const all = [speech.genesis, ...statements]
  const folded = foldMembership(speech.mesh, all)
  assert(folded !== null)
  const { members, departed, counted, pending } = folded
  const held = new Set([...counted, ...pending.map(({ statement }) => statement.id)])
  const heirs = [...departed.values()].flatMap(({ nodeId, kind, statement }) => {
    const body = all.find(({ id }) => id === statement)?.body
    return kind === 'succeeded' && body?.kind === 'succeed' ? [[body.node, nodeId]] : []
  })
  const answer = {
    admitted: [...members.keys(), ...departed.keys()].toSorted(),
    members: sorted(Object.fromEntries([...members].map(([node, { role }]) => [node, role]))),
    before: sorted(Object.fromEntries(heirs))
  }
  const unique = new Map(all.map((each) => [each.id, each]))
  return [answer, [...unique.values()].filter(({ id }) => held.has(id))]
}

function caseOf(name: string, speech: Speech, statements: readonly Statement[]): Case {
  const [expected, held] = inMesh(speech, statements)
  assert.equal(held.length, new Set(statements.map(({ id }) => id)).size + 1, name)
  const bytes = held.map((each) => Buffer.from(each.bytes).toString('base64'))
  return { name, mesh: speech.mesh, statements: bytes, expected }
}

function published(): readonly Case[] {
  const speech = new Speech('ada')
  const bob = speech.admit('ada', 'bob', 'admin')
  const carol = speech.admit('bob', 'carol')
  const two = speech.quorum('ada', 2, { keeps: [bob, carol] })
  const yes = speech.approve('bob', [two])
  const dave = speech.admit('ada', 'dave')
  const heir = speech.succeed('bob', 'bob-2', [carol, yes])
  const good = [
    caseOf('a founder and two others', speech, [bob, carol]),
    caseOf('one who was evicted, whose word from before counts', speech, [
      bob,
      carol,
      speech.revoke('ada', 'bob', [carol])
    ]),
    caseOf('one who has left', speech, [bob, carol, speech.leave('carol', [carol])]),
    caseOf('an admin who is a member now', speech, [
      bob,
      speech.role('ada', ['bob', 'member'], { keeps: [] })
    ]),
    caseOf('two signatures are needed, and one is there', speech, [bob, carol, two, yes, dave]),
    caseOf('two signatures are needed and there', speech, [
      bob,
      carol,
      two,
      yes,
      dave,
      speech.approve('bob', [dave])
    ]),
    caseOf('a new key for an admin', speech, [bob, carol, two, yes, heir]),
    caseOf('a new key for the new key, which is evicted then', speech, [
      bob,
      carol,
      speech.succeed('bob', 'bob-2', [carol]),
      speech.succeed('bob-2', 'bob-3'),
      speech.revoke('ada', 'bob-3')
    ])
  ]
  const refused = (name: string, statements: readonly Statement[]): Case => ({
    name,
    mesh: speech.mesh,
    statements: [speech.genesis, ...statements].map(({ bytes }) =>
      Buffer.from(bytes).toString('base64')
    ),
    expected: null
  })
  const foreign = new Speech('eve')
  return [
    ...good,
    refused('an admission by a member who is no admin', [carol, speech.admit('carol', 'mallory')]),
    refused('a successor that an eviction did not know of', [
      bob,
      speech.succeed('bob', 'bob-2'),
      speech.revoke('ada', 'bob')
    ]),
    refused('an admission by a key that has handed over', [
      bob,
      speech.succeed('bob', 'bob-2'),
      speech.admit('bob', 'mallory')
    ]),
    refused('a statement about another mesh', [foreign.admit('eve', 'mallory')])
  ]
}

async function python(cases: readonly Case[]): Promise<readonly (Answer | null)[]> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-members-'))
  try {
    const path = join(folder, 'cases.json')
    await writeFile(path, JSON.stringify(cases))
    const { stdout } = await promisify(execFile)('python3', [MEMBERS, path], {
      maxBuffer: 1 << 26
    })
    return z.array(answerSchema.nullable()).parse(JSON.parse(stdout))
  } finally {
    await rm(folder, { recursive: true })
  }
}

function randomCases(count: number): readonly Case[] {
  const speech = new Speech('ada')
  const names = ['ada', 'bob', 'carol', 'dan']
  const who = fc.constantFrom(...names)
  const role = fc.constantFrom<'admin' | 'member'>('admin', 'member')
  const base = [
    speech.admit('ada', 'bob', 'admin'),
    speech.admit('bob', 'carol', 'admin'),
    speech.admit('carol', 'dan')
  ]
  const some = fc.subarray(base)
  const any = fc.oneof(
    fc.tuple(who, who, role).map(([by, name, as]) => speech.admit(by, name, as)),
    fc.tuple(who, who, some).map(([by, name, keeps]) => speech.revoke(by, name, keeps)),
    fc.tuple(who, who, role, some).map(([by, name, as, keeps]) => {
      return speech.role(by, [name, as], { keeps })
    }),
    fc.tuple(who, some).map(([name, ends]) => speech.leave(name, ends)),
    fc
      .tuple(who, fc.nat(2), some)
      .map(([by, more, keeps]) => speech.quorum(by, more + 1, { keeps })),
    fc.tuple(who, some).map(([by, said]) => speech.approve(by, said)),
    fc.tuple(who, fc.constantFrom('x', 'y', 'dan'), some).map(([name, heir, keeps]) => {
      return speech.succeed(name, heir === name ? 'z' : heir, keeps)
    })
  )
  const sets = fc.sample(fc.array(any, { maxLength: 7 }), { numRuns: count, seed: 4242 })
  return sets.map((more, index) => {
    const approvals = more.flatMap((each, at) =>
      at % 2 === 0 ? [speech.approve('bob', [each])] : []
    )
    // What a node keeps: less each time, until nothing more falls away.
    let said: readonly Statement[] = [...base, ...more, ...approvals]
    for (;;) {
      const [, held] = inMesh(speech, said)
      const kept = held.filter(({ id }) => id !== speech.genesis.id)
      if (kept.length === new Set(said.map(({ id }) => id)).size) break
      said = kept
    }
    return caseOf(`random ${index}`, speech, said)
  })
}

describe('chain: who is a member by the statements of a file', () => {
  const hasPython = spawnSync('python3', ['-c', '']).status === 0

  it('the published cases are those that are made here', async () => {
    if (process.env['WEAVER_WRITE_VECTORS'] === '1') {
      await writeFile(VECTORS, `${JSON.stringify(published(), null, 2)}\n`)
    }
    const stored = z.array(caseSchema).parse(JSON.parse(await readFile(VECTORS, 'utf8')))
    assert.deepEqual(stored, published())
  })

  it('the offline verifier answers each as published', () => {
    for (const each of published()) assert.deepEqual(offline(each), each.expected, each.name)
  })

  it('the offline verifier answers random sets as the mesh does', () => {
    const cases = randomCases(400)
    for (const each of cases) assert.deepEqual(offline(each), each.expected, each.name)
    assert(cases.some(({ expected }) => Object.keys(expected?.before ?? {}).length > 0))
  })

  it('the verifier in Python answers the published and random sets in the same way', async function () {
    if (!hasPython) {
      process.stderr.write('  skipped: python3 is not installed\n')
      this.skip()
    }
    const cases = [...published(), ...randomCases(25)]
    const answers = await python(cases)
    for (const [index, each] of cases.entries()) {
      assert.deepEqual(answers[index], each.expected, each.name)
    }
  }).timeout(60_000)

  it('a statement of an unknown kind, or with more fields, is refused by both readers', () => {
    const speech = new Speech('ada')
    const admit = speech.admit('ada', 'bob')
    const changed = Buffer.from(admit.bytes)
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    assert.throws(() => parseStatement(changed))
    assert.throws(() => readStatement(nodePrimitives, changed))
  })
})
