import assert from 'node:assert/strict'
import { decodeCbor, encodeCbor, utf8, WeaverError } from '../../../../core/index.ts'
import type { Cbor, NodeId } from '../../../../core/index.ts'
import { OUTBOX_MESSAGES_MAX } from '../../../../mesh/limits.ts'
import { Outbox } from '../../../../mesh/outbox/outbox.ts'
import type { RpcClient } from '../../../../mesh/rpc/index.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { SeededEntropy } from '../../../sim/world/seeded-entropy.ts'
import { SeededPrng } from '../../../sim/world/seeded-prng.ts'
import { testSigner } from '../lab.ts'

const [a, b] = [testSigner('a').nodeId, testSigner('b').nodeId]

describe('mesh/outbox', () => {
  let seed = 0
  /** What the calls do: lose the question, or the answer. */
  let loss: 'none' | 'question' | 'answer' = 'none'
  let isConnected = true
  let received: string[] = []
  let receiver: Outbox

  beforeEach(() => {
    loss = 'none'
    isConnected = true
    received = []
    receiver = outbox(new MemoryStore())
  })

  function outbox(store: MemoryStore): Outbox {
    const call: RpcClient['call'] = async (_peer, _service, _method, body: Cbor) => {
      if (loss === 'question') throw new WeaverError('MESH_PEER_UNREACHABLE', 'lost')
      const answer = await receiver.serve(a, decodeCbor(encodeCbor(body)))
      if (loss === 'answer') throw new WeaverError('MESH_PEER_UNREACHABLE', 'lost')
      return decodeCbor(encodeCbor(answer))
    }
    seed += 1
    const deps = {
      store,
      entropy: new SeededEntropy(new SeededPrng(seed)),
      log: silentLog,
      tasks: new Tasks(silentLog),
      rpc: { call } as RpcClient,
      isConnected: () => isConnected,
      receive: async (_peer: NodeId, topic: string, body: Uint8Array) => {
        received.push(`${topic} ${Buffer.from(body).toString()}`)
      }
    }
    return new Outbox(deps, { service: 'mesh' })
  }

  async function post(from: Outbox, ...texts: readonly string[]): Promise<void> {
    for (const text of texts) await from.post([b], 't', utf8(text))
    await untilQuiet()
  }

  it('delivers in order, confirms, and forgets what is confirmed (O1, O2)', async () => {
    const store = new MemoryStore()
    const sender = outbox(store)
    const posted = await sender.post([b], 't', utf8('one'))
    await posted.get(b)
    await post(sender, 'two', 'three')
    assert.deepEqual(received, ['t one', 't two', 't three'])
    assert.deepEqual(await store.list('mesh/outbox/'), [])
  })

  it('keeps messages for a peer that is away, over a restart (O1)', async () => {
    const store = new MemoryStore()
    isConnected = false
    await post(outbox(store), 'one', 'two')
    isConnected = true
    const again = outbox(store)
    await again.load()
    assert.equal(again.waiting(b), 2)
    again.flush(b)
    await untilQuiet()
    assert.deepEqual(received, ['t one', 't two'])
    assert.deepEqual(await store.list('mesh/outbox/'), [])
  })

  it('brings each message once where question or answer got lost (O2)', async () => {
    const sender = outbox(new MemoryStore())
    for (const lost of ['question', 'answer'] as const) {
      loss = lost
      await post(sender, lost)
      loss = 'none'
      sender.flush(b)
      await untilQuiet()
    }
    assert.deepEqual(received, ['t question', 't answer'])
  })

  it('lets the oldest give way beyond its bound, and drops all for one that is no member (O3)', async () => {
    const store = new MemoryStore()
    const sender = outbox(store)
    isConnected = false
    const texts = Array.from({ length: OUTBOX_MESSAGES_MAX + 5 }, (_, index) => String(index))
    await post(sender, ...texts)
    assert.equal(sender.waiting(b), OUTBOX_MESSAGES_MAX)
    assert.equal((await store.list('mesh/outbox/')).length, OUTBOX_MESSAGES_MAX)
    isConnected = true
    sender.flush(b)
    await untilQuiet()
    assert.deepEqual(received.at(0), 't 5')
    isConnected = false
    await post(sender, 'late')
    await sender.retain(() => false)
    assert.equal(sender.waiting(b), 0)
    assert.deepEqual(await store.list('mesh/outbox/'), [])
  })

  it('answers nonsense with nothing', async () => {
    for (const body of [null, 7, {}, { stream: 's', first: 0.5, messages: [] }]) {
      assert.deepEqual(await receiver.serve(a, body), { sequence: 0 })
    }
    await receiver.serve(a, { stream: 's', first: 1, messages: [null, { topic: 7 }] })
    assert.deepEqual(received, [])
  })
})
