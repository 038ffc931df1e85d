import assert from 'node:assert/strict'
import { meshId, millis, toHex } from '../../../../core/index.ts'
import type { Cbor, NodeId } from '../../../../core/index.ts'
import { systemEntropy } from '../../../../core/system.ts'
import { Documents } from '../../../../mesh/documents/documents.ts'
import { encodeVector } from '../../../../mesh/documents/log.ts'
import { DocumentSync } from '../../../../mesh/documents/sync.ts'
import { fieldsOf } from '../../../../mesh/exchange.ts'
import {
  PUSH_PATIENCE_MS,
  UNCONFIRMED_BYTES_MAX,
  UNCONFIRMED_STEPS_MAX
} from '../../../../mesh/limits.ts'
import type { RpcClient } from '../../../../mesh/rpc/index.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

const [a, b] = [testSigner('a'), testSigner('b')]

interface Side {
  readonly documents: Documents
  readonly sync: DocumentSync
  /** What it has sent: calls wait for an answer, notes do not. */
  readonly sent: { calls: number; notes: number }
  /** Steps that went with the last call. */
  steps: number
  /** Notes on their way are lost. */
  losesNotes: boolean
  /** Notes on their way arrive when this is called; null while they do at once. */
  held: (() => void)[] | null
  /** Calls find nobody. */
  isDeaf: boolean
}

describe('mesh/documents: how steps travel', () => {
  const clock = new VirtualClock()
  let sides: Map<NodeId, Side>
  let one: Side
  let two: Side

  function side(signer: typeof a): Side {
    const tasks = new Tasks(silentLog)
    const isMember = (id: string): id is NodeId => id === a.nodeId || id === b.nodeId
    const deliver = async (to: NodeId, method: string, body: Cbor): Promise<Cbor> => {
      const signal = new AbortController().signal
      const service = sides.get(to)?.sync.service
      assert.ok(service !== undefined)
      const request = { peer: signer.nodeId, method, body, signal }
      const channel = { closed: Promise.resolve(null), frames: nothing(), ...silence }
      return service.serve({ ...request, channel })
    }
    const rpc: RpcClient = {
      call: async (to, _service, method, body) => {
        made.sent.calls += 1
        const { envelopes } = fieldsOf(body)
        made.steps = Array.isArray(envelopes) ? envelopes.length : 0
        if (made.isDeaf) throw new Error('nobody')
        return deliver(to, method, body)
      },
      notify: (to, _service, method, body) => {
        made.sent.notes += 1
        const arrive = (): void => void deliver(to, method, body)
        if (made.held !== null) made.held.push(arrive)
        else if (!made.losesNotes) arrive()
      },
      open: () => assert.fail('nothing streams')
    }
    const deps = { signer, clock, log: silentLog, tasks, store: new MemoryStore(), isMember }
    const documents: Documents = new Documents(
      { ...deps, onPublished: () => sync.published() },
      { generation: 1 }
    )
    const sync = new DocumentSync({
      self: signer.nodeId,
      clock,
      documents,
      rpc,
      tasks,
      log: silentLog,
      isMember
    })
    const sent = { calls: 0, notes: 0 }
    const state = { sent, steps: 0, losesNotes: false, held: null, isDeaf: false }
    const made: Side = { documents, sync, ...state }
    documents.open(meshId('ab'.repeat(32)))
    return made
  }

  async function put(value: string): Promise<void> {
    one.documents.put('processes', '1', value)
    await untilQuiet()
    clock.advanceTo(clock.now()) // The loop comes round at once.
    await untilQuiet()
    clock.advanceTo(millis(clock.now() + 10))
    await untilQuiet()
  }

  /** What `from` has is told to `to`, as its pulse would. */
  async function pulse(from: Side, to: Side, name: NodeId): Promise<void> {
    to.sync.compare(name, encodeVector(from.documents.vector()))
    await untilQuiet()
  }

  async function waitFor(duration: number): Promise<void> {
    clock.advanceTo(millis(clock.now() + duration))
    await untilQuiet()
  }

  function shown(of: Side): unknown {
    return of.documents.of(a.nodeId)['processes']?.['1']
  }

  beforeEach(async () => {
    sides = new Map()
    one = side(a)
    two = side(b)
    sides = new Map([
      [a.nodeId, one],
      [b.nodeId, two]
    ])
    one.sync.connected(b.nodeId)
    await put('first')
    assert.equal(shown(two), 'first')
    one.sent.calls = 0
    one.sent.notes = 0
  })

  it('needs no answer for a step whose predecessors are confirmed (Y1)', async () => {
    for (const value of ['2', '3', '4']) await put(value)
    assert.deepEqual(one.sent, { calls: 0, notes: 3 })
    assert.equal(shown(two), '4')
  })

  it('brings what was lost on the way with the next pulse (Y2)', async () => {
    one.losesNotes = true
    await put('lost')
    one.losesNotes = false
    await put('after')
    assert.equal(shown(two), 'first', 'a step whose predecessor is missing is left alone')
    await pulse(two, one, b.nodeId)
    assert.equal(one.sent.notes, 2, 'what may be on its way is not sent again')
    await pulse(one, two, a.nodeId)
    assert.equal(shown(two), 'after')
  })

  it('waits for an answer when too many steps are unconfirmed (Y1)', async () => {
    one.losesNotes = true
    for (let step = 0; step < UNCONFIRMED_STEPS_MAX; step++) await put(`step ${step}`)
    assert.deepEqual(one.sent, { calls: 0, notes: UNCONFIRMED_STEPS_MAX })
    await put('one more')
    assert.ok(one.sent.calls > 0)
    assert.equal(shown(two), 'one more', 'and what was lost comes with it')
  })

  it('sends a peer that is behind what it has not been sent, and nothing twice', async () => {
    for (let step = 0; step < UNCONFIRMED_STEPS_MAX; step++) await put(`step ${step}`)
    assert.deepEqual(one.sent, { calls: 0, notes: UNCONFIRMED_STEPS_MAX })
    await put('one more')
    assert.deepEqual([one.sent.calls, one.steps], [1, 1])
    assert.equal(shown(two), 'one more')
  })

  it('pulls nothing that its owner is bringing, and what is lost a moment later (Y4)', async () => {
    two.sync.connected(a.nodeId)
    await untilQuiet()
    two.sent.calls = 0
    one.held = []
    for (const value of ['2', '3']) await put(value)
    await pulse(one, two, a.nodeId)
    one.held.shift()?.() // The first of them is slow, and arrives.
    await waitFor(PUSH_PATIENCE_MS)
    assert.deepEqual([two.sent.calls, shown(two)], [0, '2'])
    one.held = [] // The second is lost.
    await pulse(one, two, a.nodeId)
    await waitFor(PUSH_PATIENCE_MS - 1)
    assert.equal(two.sent.calls, 0)
    await waitFor(1)
    assert.deepEqual([two.sent.calls, shown(two)], [1, '3'])
  })

  it('gathers steps for a peer that does not answer, and sends no more of them (Y1)', async () => {
    one.losesNotes = true
    one.isDeaf = true
    // A base of it and one step exceed the bound together, whenever the base begins: half is all that
    // compression can take from it.
    const long = toHex(systemEntropy.bytes(Math.floor(UNCONFIRMED_BYTES_MAX / 2.5)))
    for (let step = 0; step < 10; step++) await put(`${long} ${step}`)
    assert.ok(one.sent.notes < 10 && one.sent.calls > 0)
    one.isDeaf = false
    await pulse(two, one, b.nodeId)
    await pulse(one, two, a.nodeId)
    assert.ok(shown(two) === `${long} 9`)
  })

  it('begins anew with a peer that has lost our document', async () => {
    await put('second')
    one.sync.compare(b.nodeId, {})
    await untilQuiet()
    assert.ok(one.sent.calls > 0)
    one.sent.notes = 0
    await put('third')
    assert.equal(one.sent.notes, 1)
    assert.equal(shown(two), 'third')
  })
})

const silence = {
  send: (): Promise<void> => Promise.resolve(),
  end: (): void => undefined,
  abort: (): void => undefined
}

async function* nothing(): AsyncGenerator<Uint8Array, void, void> {
  // No frames: nothing streams here.
}
