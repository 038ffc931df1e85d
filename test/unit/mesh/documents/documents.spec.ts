import assert from 'node:assert/strict'
import fc from 'fast-check'
import { meshId, millis } from '../../../../core/index.ts'
import type { MeshId, NodeId, Signer } from '../../../../core/index.ts'
import { readChange, RowDocument } from '../../../../mesh/documents/automerge.ts'
import { Documents } from '../../../../mesh/documents/documents.ts'
import { parseEnvelope, signEnvelope } from '../../../../mesh/documents/envelope.ts'
import { envelopesSince } from '../../../../mesh/documents/log.ts'
import {
  AUTHOR_STEPS_BURST,
  DELTA_BYTES_PER_BASE_FACTOR,
  DELTA_BYTES_PER_BASE_MIN,
  QUARANTINE_MS,
  ROWS_PER_DOCUMENT_MAX
} from '../../../../mesh/limits.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

const mesh = meshId('ab'.repeat(32))
const signers = ['a', 'b', 'c'].map(testSigner)
const members = new Set<string>(signers.map(({ nodeId }) => nodeId))

function isMember(id: NodeId): boolean {
  return members.has(id)
}

function nobodyListens(): void {}

interface Side {
  readonly signer: Signer
  readonly documents: Documents
  readonly warnings: string[]
}

describe('mesh/documents: documents', () => {
  const clock = new VirtualClock()

  function side(
    signer: Signer,
    generation = 1,
    at: MeshId = mesh,
    store: MemoryStore = new MemoryStore()
  ): Side {
    const warnings: string[] = []
    const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
    const tasks = new Tasks(silentLog)
    const deps = { signer, clock, log, tasks, store, isMember, onPublished: nobodyListens }
    const documents = new Documents(deps, { generation })
    documents.open(at)
    return { signer, documents, warnings }
  }

  async function published(): Promise<void> {
    await untilQuiet()
    clock.advanceTo(clock.now()) // The loop comes round at once.
    await untilQuiet()
    clock.advanceTo(millis(clock.now() + 10))
    await untilQuiet()
  }

  const [a, b, c] = signers
  assert.ok(a !== undefined && b !== undefined && c !== undefined)

  it('coalesces the puts of one tick into one signed step', async () => {
    const one = side(a)
    for (let key = 0; key < 50; key++) one.documents.put('processes', `${key}`, { pid: key })
    await published()
    assert.deepEqual(one.documents.position(a.nodeId), { generation: 1, sequence: 2 })
    one.documents.put('processes', '7', { pid: 7 })
    await published()
    const same = { generation: 1, sequence: 2 }
    assert.deepEqual(one.documents.position(a.nodeId), same, 'the same row is no change')
  })

  it('keeps replicas on disk, and shows them after a start', async () => {
    const store = new MemoryStore()
    const [one, two] = [side(a), side(b, 1, mesh, store)]
    for (let round = 0; round < 30; round++) {
      one.documents.put('processes', '1', { round })
      await published()
    }
    two.documents.receive(a.nodeId, steps(one, a.nodeId))
    await two.documents.save()
    const after = side(b, 2, mesh, store)
    await untilQuiet()
    assert.equal(shown(after, a.nodeId), shown(one, a.nodeId))
    assert.deepEqual(after.documents.position(a.nodeId), one.documents.position(a.nodeId))
    const other = side(b, 3, meshId('00'.repeat(32)), store)
    await untilQuiet()
    assert.deepEqual(other.documents.nodes(), [b.nodeId], 'of another mesh: not shown')
    await other.documents.save()
    assert.deepEqual(await store.list('mesh/replica/'), [], 'and deleted')
  })

  it('shows what it can of replicas that were damaged on disk', async () => {
    const store = new MemoryStore()
    const [one, two] = [side(a), side(b, 1, mesh, store)]
    for (let round = 0; round < 5; round++) {
      one.documents.put('processes', '1', { round })
      await published()
    }
    two.documents.receive(a.nodeId, steps(one, a.nodeId))
    await two.documents.save()
    const stored = await store.list('mesh/replica/')
    const [key, bytes] = stored.at(-1) ?? ['', new Uint8Array()]
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1
    await store.write([{ key, value: bytes }])
    const after = side(b, 2, mesh, store)
    await untilQuiet()
    const [theirs, ours] = [one, after].map((each) => each.documents.position(a.nodeId)?.sequence)
    assert.equal(ours, Number(theirs) - 1)
  })

  it('leaves an author alone that changes faster than its budget, and takes it up again', async () => {
    const two = side(b)
    const envelopeAt = (sequence: number): Uint8Array => {
      const document = RowDocument.create(`flood ${sequence}`)
      document.edit(new Map([['processes/1', JSON.stringify({ sequence })]]))
      const payload = document.save()
      document.free()
      const body = {
        mesh,
        owner: a.nodeId,
        generation: 1,
        sequence,
        kind: 'base',
        payload
      } as const
      return signEnvelope(a, body).bytes
    }
    const flood = Array.from({ length: AUTHOR_STEPS_BURST + 50 }, (_, at) => envelopeAt(at + 1))
    two.documents.receive(a.nodeId, flood)
    assert.equal(two.documents.isQuarantined(a.nodeId), true)
    assert.equal(two.documents.position(a.nodeId)?.sequence, AUTHOR_STEPS_BURST)
    two.documents.receive(c.nodeId, [envelopeAt(9000)])
    assert.equal(two.documents.position(a.nodeId)?.sequence, AUTHOR_STEPS_BURST)
    const honest = side(c)
    honest.documents.put('processes', '1', 'x')
    await published()
    two.documents.receive(a.nodeId, steps(honest, c.nodeId))
    assert.equal(shown(two, c.nodeId), shown(honest, c.nodeId), 'others pay nothing for it')
    clock.advanceTo(millis(clock.now() + QUARANTINE_MS))
    two.documents.receive(a.nodeId, [envelopeAt(9001)])
    assert.equal(two.documents.position(a.nodeId)?.sequence, 9001)
  })

  it('leaves a member alone that forges, and not the author whose name it forges', async () => {
    const [one, two] = [side(a), side(b)]
    one.documents.put('processes', '1', 'x')
    await published()
    const forged = signEnvelope(c, {
      mesh,
      owner: a.nodeId,
      generation: 1,
      sequence: 900,
      kind: 'delta',
      payload: new Uint8Array(8)
    }).bytes
    const flood = Array.from({ length: AUTHOR_STEPS_BURST + 50 }, () => forged)
    two.documents.receive(c.nodeId, flood)
    assert.equal(two.documents.isQuarantined(a.nodeId), false)
    assert.match(two.warnings.at(-1) ?? '', /refused/)
    two.documents.receive(c.nodeId, steps(one, a.nodeId))
    assert.equal(shown(two, a.nodeId), '{}', 'the forger is not heard for a while')
    two.documents.receive(a.nodeId, steps(one, a.nodeId))
    assert.equal(shown(two, a.nodeId), shown(one, a.nodeId), 'the author is')
  })

  it('takes nothing of an author for steps that are here already, whoever repeats them', async () => {
    const [one, two] = [side(a), side(b)]
    one.documents.put('processes', '1', 'x')
    await published()
    const known = steps(one, a.nodeId)
    for (let round = 0; round < AUTHOR_STEPS_BURST; round++) {
      two.documents.receive(c.nodeId, known)
    }
    assert.equal(two.documents.isQuarantined(a.nodeId), false)
    assert.deepEqual([...two.documents.receive(c.nodeId, known)], [a.nodeId], 'and says so')
  })

  it('stays within a constant, in memory and on disk, however many changes there were', async function () {
    this.timeout('60s')
    const store = new MemoryStore()
    const [one, two] = [side(a), side(b, 1, mesh, store)]
    const state = 100 * 300 // The text of all rows, about.
    for (let change = 0; change < 20_000; change++) {
      one.documents.put('processes', String(change % 100), { change, text: 'x'.repeat(200) })
      if (change % 10 !== 9) continue
      await published()
      const log = one.documents.log(a.nodeId)
      assert.ok(log !== null)
      const missing = envelopesSince(log, two.documents.position(a.nodeId), 1e9)
      two.documents.receive(
        a.nodeId,
        missing.map(({ bytes }) => bytes)
      )
      if (change % 1000 === 999) {
        await two.documents.save()
        const stored = await store.list('mesh/replica/')
        const onDisk = stored.reduce((sum, [, bytes]) => sum + bytes.length, 0)
        const bound = Math.max(DELTA_BYTES_PER_BASE_MIN, DELTA_BYTES_PER_BASE_FACTOR * state)
        assert.ok(onDisk < 2 * (bound + state), `${onDisk} bytes after ${change} changes`)
      }
    }
    assert.equal(shown(two, a.nodeId), shown(one, a.nodeId))
  })

  it('converges between three nodes under loss, reordering and repetition', async () => {
    const act = fc.record({
      writer: fc.nat(2),
      key: fc.constantFrom('1', '2', '3'),
      value: fc.option(fc.integer()),
      /** Which messages get through, and in which order. */
      dice: fc.array(fc.nat(1000), { minLength: 4, maxLength: 4 })
    })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
        const sides = signers.map((signer) => side(signer))
        const bag: { to: number; from: number; bytes: Uint8Array }[] = []
        for (const { writer, key, value, dice } of acts) {
          const author = sides[writer]
          assert.ok(author !== undefined)
          if (value === null) author.documents.delete('rows', key)
          else author.documents.put('rows', key, { value })
          await published()
          for (const bytes of steps(author, author.signer.nodeId).slice(-2)) {
            for (const to of [0, 1, 2]) if (to !== writer) bag.push({ to, from: writer, bytes })
          }
          for (const die of dice) {
            const message = bag[die % Math.max(1, bag.length)]
            const from = sides[message?.from ?? 0]?.signer.nodeId
            if (message === undefined || from === undefined || die % 3 === 0) continue
            sides[message.to]?.documents.receive(from, [message.bytes])
          }
        }
        // The network heals: everybody takes from its neighbour alone what it lacks, twice around.
        for (let round = 0; round < 6; round++) {
          const from = sides[round % 3]
          const to = sides[(round + 1) % 3]
          assert.ok(from !== undefined && to !== undefined)
          for (const { nodeId } of signers) {
            if (nodeId === to.signer.nodeId) continue
            to.documents.receive(from.signer.nodeId, steps(from, nodeId))
          }
        }
        for (const { nodeId } of signers) {
          const views = sides.map((each) => JSON.stringify(sorted(each.documents.of(nodeId))))
          assert.equal(new Set(views).size, 1, views.join('\n'))
        }
        for (const each of sides) each.documents.close()
      }),
      { numRuns: 30 }
    )
  })

  it('refuses steps that are forged, foreign, of strangers or of another mesh', async () => {
    const one = side(a)
    one.documents.put('rows', '1', 1)
    await published()
    const two = side(b)
    const genuine = steps(one, a.nodeId)
    const [first] = genuine
    assert.ok(first !== undefined)
    const { bytes: _, ...body } = parseEnvelope(first)
    const stranger = testSigner('stranger')
    const otherMesh = side(a, 1, meshId('cd'.repeat(32)))
    const bad = [
      signEnvelope(b, body).bytes,
      signEnvelope(stranger, { ...body, owner: stranger.nodeId }).bytes,
      ...steps(otherMesh, a.nodeId),
      new Uint8Array(100),
      null
    ]
    two.documents.receive(b.nodeId, bad)
    assert.deepEqual(two.documents.nodes(), [b.nodeId])
    assert.equal(two.warnings.length, bad.length)
    // Nobody tells a node what its own document is.
    const again = side(a, 9)
    two.documents.receive(b.nodeId, genuine)
    again.documents.receive(b.nodeId, genuine)
    assert.equal(shown(again, a.nodeId), '{}')
    assert.equal(shown(two, a.nodeId), '{"rows":{"1":1}}')
  })

  it('loses one document to poisoned bytes, and gets it back with the next base (P1)', async () => {
    const two = side(b)
    const one = side(a)
    one.documents.put('rows', '1', 1)
    await published()
    two.documents.receive(a.nodeId, steps(one, a.nodeId))
    const third = side(c)
    third.documents.put('rows', '1', 'c')
    await published()
    two.documents.receive(c.nodeId, steps(third, c.nodeId))
    const poison = (sequence: number, payload: Uint8Array): Uint8Array =>
      signEnvelope(a, {
        mesh,
        owner: a.nodeId,
        generation: 1,
        sequence,
        kind: 'delta',
        payload
      }).bytes
    two.documents.receive(a.nodeId, [poison(3, new Uint8Array(50).fill(255))])
    two.documents.receive(a.nodeId, [poison(4, new Uint8Array(50))])
    assert.deepEqual(two.warnings, ['lost a document'])
    assert.equal(shown(two, a.nodeId), '{"rows":{"1":1}}', 'the last good rows stay')
    assert.equal(two.documents.position(a.nodeId)?.sequence, 4, 'the position stays honest')
    assert.equal(shown(two, c.nodeId), '{"rows":{"1":"c"}}')
    const restarted = side(a, 2)
    restarted.documents.put('rows', '2', 2)
    await published()
    two.documents.receive(a.nodeId, steps(restarted, a.nodeId))
    assert.equal(shown(two, a.nodeId), '{"rows":{"2":2}}')
  })

  it('takes in no more rows than an owner may have, and keeps those of before (P2)', async () => {
    const two = side(b)
    const one = side(a)
    one.documents.put('rows', '1', 1)
    await published()
    const honest = steps(one, a.nodeId)
    const body = { mesh, owner: a.nodeId, generation: 1, sequence: 3 } as const
    const writer = RowDocument.create('a hostile writer')
    const tooLarge = [
      new Map(Array.from({ length: ROWS_PER_DOCUMENT_MAX + 1 }, (_, row) => [`rows/${row}`, '0'])),
      new Map(Array.from({ length: 31 }, (_, row) => [`rows/${row}`, `"${' '.repeat(60_000)}"`]))
    ]
    for (const edits of tooLarge) {
      const kept = side(b)
      two.documents.receive(a.nodeId, honest)
      kept.documents.receive(a.nodeId, honest)
      const payload = writer.edit(edits)
      assert.ok(payload !== null)
      kept.documents.receive(a.nodeId, [signEnvelope(a, { ...body, kind: 'delta', payload }).bytes])
      assert.deepEqual(kept.warnings, ['lost a document'])
      assert.equal(shown(kept, a.nodeId), '{"rows":{"1":1}}')
    }
    const base = signEnvelope(a, { ...body, kind: 'base', payload: writer.save() })
    two.documents.receive(a.nodeId, [base.bytes])
    assert.deepEqual(two.warnings, ['lost a document'])
    assert.equal(shown(two, a.nodeId), '{"rows":{"1":1}}')
  })

  it('never breaks on signed bytes of a hostile owner', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (payload, isBase) => {
        const two = side(b)
        const kind = isBase ? 'base' : 'delta'
        const base = steps(side(a), a.nodeId)
        const body = { mesh, owner: a.nodeId, generation: 1, sequence: 2, kind, payload } as const
        two.documents.receive(a.nodeId, [...base, signEnvelope(a, body).bytes])
        assert.equal(shown(two, a.nodeId), '{}')
        two.documents.close()
      }),
      { numRuns: 100 }
    )
  })

  it('never breaks on a well-formed change with one byte flipped', async () => {
    const one = side(a)
    one.documents.put('rows', '1', { state: 'running' })
    await published()
    const [base, delta] = steps(one, a.nodeId)
    assert.ok(base !== undefined && delta !== undefined)
    const { bytes: _, ...body } = parseEnvelope(delta)
    for (let at = 0; at < body.payload.length; at++) {
      const two = side(b)
      const payload = body.payload.slice()
      payload[at] = (payload[at] ?? 0) ^ 0x5a
      two.documents.receive(a.nodeId, [base, signEnvelope(a, { ...body, payload }).bytes])
      two.documents.of(a.nodeId)
      two.documents.close()
    }
  })

  it('takes keys for keys, whatever they are called', async () => {
    const one = side(a)
    one.documents.put('rows', '__proto__', { isAdmin: true })
    one.documents.put('rows', 'constructor', 1)
    one.documents.put('rows', 'a/b', JSON.parse('{"__proto__":{"isAdmin":true}}'))
    await published()
    const two = side(b)
    two.documents.receive(a.nodeId, steps(one, a.nodeId))
    const rows = two.documents.of(a.nodeId)['rows'] ?? {}
    assert.deepEqual(Object.keys(rows).toSorted(), ['__proto__', 'a/b', 'constructor'])
    assert.equal(Reflect.get({}, 'isAdmin'), undefined)
    assert.equal(Reflect.get(rows, 'isAdmin'), undefined)
  })

  it('re-bases before history outgrows its bound, and stays small', async () => {
    const one = side(a)
    const two = side(b)
    let largest = 0
    for (let round = 0; round < 1200; round++) {
      one.documents.put('rows', '1', { round })
      await published()
      const log = one.documents.log(a.nodeId)
      assert.ok(log !== null)
      largest = Math.max(largest, log.deltaBytes)
      const since = two.documents.position(a.nodeId)
      const missing = envelopesSince(log, since, 1e9).map(({ bytes }) => bytes)
      two.documents.receive(a.nodeId, missing)
    }
    assert.ok(largest <= 65 * 1024, `${largest} bytes of deltas`)
    assert.equal(shown(two, a.nodeId), '{"rows":{"1":{"round":1199}}}')
    assert.deepEqual(two.warnings, [])
  })

  it('refuses rows out of bounds and stays usable', () => {
    const { documents } = side(a)
    const invalid = { code: 'MESH_ROW_INVALID' }
    assert.throws(() => documents.put('Rows', '1', 1), invalid)
    assert.throws(() => documents.put('rows', '', 1), invalid)
    assert.throws(() => documents.put('rows', 'x'.repeat(257), 1), invalid)
    assert.throws(() => documents.put('rows', '1', 'x'.repeat(65 * 1024)), invalid)
    const full = { code: 'MESH_LIMIT_REACHED' }
    const large = 'x'.repeat(60_000)
    const fill = (): void => {
      for (let key = 0; key < 40; key++) documents.put('rows', `${key}`, large)
    }
    assert.throws(fill, full)
    for (let key = 0; key < 40; key++) documents.delete('rows', `${key}`)
    for (let key = 0; key < ROWS_PER_DOCUMENT_MAX; key++) documents.put('rows', `${key}`, 1)
    assert.throws(() => documents.put('rows', 'more', 1), full)
  })

  it('forgets the documents of nodes that are no members any more', async () => {
    const one = side(a)
    const two = side(b)
    two.documents.receive(a.nodeId, steps(one, a.nodeId))
    members.delete(a.nodeId)
    two.documents.retainMembers()
    members.add(a.nodeId)
    assert.deepEqual(two.documents.nodes(), [b.nodeId])
  })
})

describe('mesh/documents: the Automerge wrapper', () => {
  it('says what was put, and nothing of what would change nothing', () => {
    const writer = RowDocument.create('a')
    assert.ok(writer.edit(new Map([['x/1', 'one']])) !== null)
    const reader = RowDocument.load(writer.save())
    assert.deepEqual(reader.keys(), ['x/1'])
    assert.equal(reader.get('x/1'), 'one')
    assert.equal(reader.get('toString'), null)
    assert.equal(writer.edit(new Map([['x/2', null]])), null)
  })

  it('answers bytes that are no document with one error', () => {
    const code = { code: 'MESH_DOCUMENT_INVALID' }
    assert.throws(() => RowDocument.load(new Uint8Array([1, 2, 3])), code)
    assert.throws(() => readChange(new Uint8Array(9)), code)
  })
})

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([x], [y]) => (x < y ? -1 : 1))
  return entries.map(([key, each]) => [key, sorted(each)])
}

/** All that `from` holds of `owner`, as messages. */
function steps(from: Side, owner: NodeId): readonly Uint8Array[] {
  const log = from.documents.log(owner)
  return log === null ? [] : envelopesSince(log, null, 1e9).map(({ bytes }) => bytes)
}

function shown(at: Side, owner: NodeId): string {
  return JSON.stringify(at.documents.of(owner))
}
