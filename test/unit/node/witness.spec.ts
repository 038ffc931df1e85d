// Fault R9 and attack 20 over several nodes: chains, replication and witnesses as in a kernel, with a network
// that delivers at once.

import assert from 'node:assert/strict'
import type { Chain, ChainOptions } from '../../../chain/index.ts'
import { readEvidence } from '../../../chain/offline/evidence.ts'
import { nodePrimitives } from '../../../chain/offline/index.ts'
import { decodeCbor, encodeCbor, millis, WeaverError } from '../../../core/index.ts'
import type { Cbor, NodeId } from '../../../core/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../../../mesh/index.ts'
import { ChainSync } from '../../../node/chain-sync.ts'
import { CHAIN_READ_TIMEOUT_MS } from '../../../node/limits.ts'
import { Witness } from '../../../node/witness.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'
import { draft, kit, recordsOf } from '../chain/kit.ts'
import type { Kit } from '../chain/kit.ts'

const clock = new VirtualClock()

interface Node {
  readonly id: NodeId
  readonly chain: Chain
  readonly sync: ChainSync
  readonly witness: Witness
}

/** Who is connected to whom, by the nodes' ids. */
class Net {
  readonly nodes: Node[] = []
  readonly #services = new Map<NodeId, Map<string, RpcService>>()
  readonly #cut = new Set<string>()
  readonly #mute = new Map<string, Promise<void> | null>()
  readonly #delivered = new Set<Promise<unknown>>()

  async join(
    { open, lane: id }: Pick<Kit, 'open' | 'lane'>,
    options: ChainOptions = {}
  ): Promise<Node> {
    const chain = await open(options)
    const rpc = this.#client(id)
    const connectedPeers = (): readonly NodeId[] => this.#peersOf(id)
    const shared = { self: id, chain, rpc, connectedPeers, isMember: () => true, log: silentLog }
    const witness = new Witness({ ...shared, clock })
    const sync = new ChainSync({
      ...shared,
      meter: () => undefined,
      onFailed: () => undefined,
      onForked: (lane) => witness.forked(lane),
      onHeads: (peer, heads) => witness.heard(peer, heads)
    })
    const node = { id, chain, sync, witness }
    const services = [sync.service(), witness.service()]
    this.#services.set(id, new Map(services.map((service) => [service.name, service])))
    this.nodes.push(node)
    return node
  }

  async leave(node: Node): Promise<void> {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    this.#services.delete(node.id)
    await node.witness.stop()
    await node.sync.stop()
    await node.chain.stop()
  }

  async close(): Promise<void> {
    for (let node = this.nodes[0]; node !== undefined; node = this.nodes[0]) await this.leave(node)
  }

  cut(a: Node, b: Node): void {
    for (const pair of [`${a.id} ${b.id}`, `${b.id} ${a.id}`]) this.#cut.add(pair)
  }

  /** Takes what it is asked, and does not answer. */
  mute(node: Node, service: string, method: string): void {
    this.#mute.set(`${node.id} ${service} ${method}`, null)
  }

  /** As `mute`, until the returned function is called. */
  delay(node: Node, service: string, method: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#mute.set(`${node.id} ${service} ${method}`, promise)
    return resolve
  }

  /** One round of gossip: each node's heads reach those it is connected to, and all that follows from it. */
  async gossip(): Promise<void> {
    for (const node of this.nodes) {
      const heads = decodeCbor(encodeCbor(node.sync.heads()))
      for (const peer of this.nodes) {
        if (this.#peersOf(node.id).includes(peer.id)) peer.sync.heard(node.id, heads)
      }
    }
    await this.quiet()
  }

  /** Until nothing is under way but what waits for the clock. */
  async quiet(): Promise<void> {
    for (let turn = 0; turn < 2000; turn += 1) await Promise.resolve()
    while (this.#delivered.size > 0) {
      await Promise.allSettled(this.#delivered)
      for (let turn = 0; turn < 2000; turn += 1) await Promise.resolve()
    }
  }

  #peersOf(id: NodeId): readonly NodeId[] {
    const others = this.nodes.filter((node) => node.id !== id && !this.#cut.has(`${id} ${node.id}`))
    return others.map((node) => node.id)
  }

  #client(self: NodeId): RpcClient {
    const call = async (
      ...[peer, name, method, body, options]: Parameters<RpcClient['call']>
    ): Promise<unknown> => {
      const service = this.#peersOf(self).includes(peer)
        ? this.#services.get(peer)?.get(name)
        : undefined
      if (service === undefined) throw new WeaverError('MESH_PEER_UNREACHABLE', 'Cannot reach it')
      const release = this.#mute.get(`${peer} ${name} ${method}`)
      if (release === null) {
        await clock.sleep(options?.timeoutMs ?? millis(30_000), options?.signal)
        throw new WeaverError('MESH_CALL_TIMED_OUT', 'Cannot complete it: no answer')
      }
      await release
      const request = { peer: self, method, body: decodeCbor(encodeCbor(body)) }
      return decodeCbor(encodeCbor(await service.serve(request as RpcRequest)))
    }
    const isMute = (...[peer, name, method]: Parameters<RpcClient['call']>): boolean =>
      this.#mute.has(`${peer} ${name} ${method}`)
    const track = (promise: Promise<unknown>): Promise<unknown> => {
      const done = promise.catch(() => undefined).finally(() => this.#delivered.delete(done))
      this.#delivered.add(done)
      return promise
    }
    return {
      // What nobody answers waits for the clock.
      call: (...args) => (isMute(...args) ? call(...args) : track(call(...args))),
      notify: (...args) =>
        void track(call(args[0], args[1], args[2], args[3])).catch(() => undefined),
      open: () => {
        throw new Error('Not used here')
      }
    }
  }
}

function lanesOf({ chain }: Node): Readonly<Record<string, string>> {
  return Object.fromEntries(chain.status().map(({ lane, state }) => [lane, state]))
}

/** The blocks that the newest checkpoint of an owner covers as `node` knows it, and how many have cosigned it. */
function coveredAt({ chain }: Node, owner: Node): readonly number[] {
  const latest = chain.proofs.latest(owner.id)
  return [latest?.size ?? 0, latest?.witnesses.length ?? 0]
}

/** Two nodes, one of which comes back with an older copy of its lane; `writer` has the newer one. */
async function ownerThatShowsLess(): Promise<{
  readonly net: Net
  readonly writer: Kit
  readonly peer: Node
  readonly owner: Node
  readonly shorter: Node
}> {
  const net = new Net()
  const [reader, writer] = [kit(2), kit(1)]
  const peer = await net.join(reader)
  const owner = await net.join(writer)
  await owner.chain.append([draft(1)])
  const cut = kit(1)
  for (const name of writer.disk.names()) cut.disk.put(name, writer.disk.contents(name))
  await owner.chain.append([draft(2)])
  await net.gossip()
  assert.equal(lanesOf(peer)[owner.id], 'ok')
  await net.leave(owner)
  return { net, writer, peer, owner, shorter: await net.join(cut) }
}

async function settled(net: Net): Promise<void> {
  for (let second = 0; second < 3; second += 1) {
    await net.quiet()
    clock.advanceTo(millis(clock.now() + 1000))
  }
  await net.quiet()
}

describe('node: witnesses', () => {
  it('a lane that rests is covered by a checkpoint that every other member has cosigned', async () => {
    const net = new Net()
    const nodes = [await net.join(kit(1)), await net.join(kit(2)), await net.join(kit(3))]
    const [owner, other] = nodes
    assert(owner !== undefined && other !== undefined)
    await owner.chain.append([draft(1)])
    await owner.chain.append([draft(2)])
    await settled(net)
    for (const { chain } of nodes) {
      const latest = chain.proofs.latest(owner.id)
      assert.deepEqual([latest?.size, latest?.witnesses.length], [2, 2])
    }
    await owner.chain.append([draft(3)])
    await settled(net)
    assert.equal(other.chain.proofs.latest(owner.id)?.size, 3)
    for (const node of nodes) await net.leave(node)
  })

  it('a member that shows two lanes to two peers is found out by all in two rounds, others unharmed (R9)', async () => {
    const net = new Net()
    const honest = [await net.join(kit(2)), await net.join(kit(3)), await net.join(kit(4))]
    const [left, right, third] = honest
    assert(left !== undefined && right !== undefined && third !== undefined)
    net.cut(left, third) // The third hears of it from the right one only.
    const [a, b] = [await kit(1).open(), await kit(1).open()]
    await a.append([draft(1)])
    await b.append([draft(2)])
    const cheat = kit(1).lane
    await left.chain.append([draft(5)])
    await left.chain.accept(cheat, await recordsOf(a, cheat))
    await right.chain.accept(cheat, await recordsOf(b, cheat))
    for (const { chain } of honest) assert.notEqual(lanesIn(chain)[cheat], 'forked')
    await net.gossip()
    await net.gossip()
    for (const node of honest) {
      assert.equal(lanesOf(node)[cheat], 'forked', node.id)
      assert(node.witness.isQuarantined(cheat))
      const evidence = await node.chain.proofs.evidence(cheat)
      assert(evidence !== null && readEvidence(nodePrimitives, evidence).lane === cheat)
      assert(honest.every(({ id }) => !node.witness.isQuarantined(id)))
      assert.equal((await node.chain.verify({ lane: left.id })).ok, true)
    }
    await a.stop()
    await b.stop()
    for (const node of honest) await net.leave(node)
  })

  it('blocks of a convicted lane are stored, and its checkpoints cosigned no more', async () => {
    const net = new Net()
    const [left, right] = [await net.join(kit(2)), await net.join(kit(3))]
    const [a, b] = [await kit(1).open(), await kit(1).open()]
    await a.append([draft(1)])
    await b.append([draft(2)])
    const cheat = kit(1).lane
    await left.chain.accept(cheat, await recordsOf(a, cheat))
    await right.chain.accept(cheat, await recordsOf(b, cheat))
    await net.gossip()
    await a.append([draft(3)])
    const more = await left.chain.accept(cheat, await recordsOf(a, cheat))
    assert.deepEqual([more.kind, more.head?.height], ['extended', 2])
    await a.proofs.checkpoint()
    const request = await a.proofs.request(0)
    assert(request !== null)
    assert.equal((await left.chain.proofs.cosign(request, () => true)).status, 422)
    assert.equal(lanesOf(left)[cheat], 'forked')
    for (const chain of [a, b]) await chain.stop()
    for (const node of [left, right]) await net.leave(node)
  })

  it('an owner that shows less of its lane than its peers hold is truncated until it has it back (R9)', async () => {
    const { net, writer, peer, owner, shorter } = await ownerThatShowsLess()
    await net.gossip()
    assert.equal(lanesOf(peer)[owner.id], 'truncated')
    assert(peer.witness.isQuarantined(owner.id))
    await net.leave(shorter)
    const whole = await net.join(writer)
    await net.gossip()
    assert.equal(lanesOf(peer)[owner.id], 'ok')
    for (const node of [peer, whole]) await net.leave(node)
  })

  it('a member that answers nothing holds up neither what the others learn nor the stop', async () => {
    const net = new Net()
    const nodes = [await net.join(kit(1)), await net.join(kit(2)), await net.join(kit(3))]
    const [owner, other, silent] = nodes
    assert(owner !== undefined && other !== undefined && silent !== undefined)
    for (const method of ['cosign', 'head']) net.mute(silent, 'witness', method)
    net.mute(silent, 'chain', 'read')
    for (let block = 1; block <= 2; block += 1) {
      await owner.chain.append([draft(block)])
      await settled(net)
      await settled(net)
      assert.deepEqual(coveredAt(other, owner), [block, 1])
    }
    const began = clock.now()
    await owner.chain.append([draft(3)])
    silent.chain.append([draft(4)]).catch(() => undefined)
    await net.gossip() // So that both ask it for blocks.
    await net.close()
    assert.equal(clock.now(), began)
  })

  it('a member that answers late is in the checkpoint that all others have', async () => {
    const net = new Net()
    const nodes = [await net.join(kit(1)), await net.join(kit(2)), await net.join(kit(3))]
    const [owner, other, late] = nodes
    assert(owner !== undefined && other !== undefined && late !== undefined)
    const answer = net.delay(late, 'witness', 'cosign')
    await owner.chain.append([draft(1)])
    for (let turn = 0; turn < 2; turn += 1) await settled(net)
    assert.deepEqual(coveredAt(other, owner), [1, 1])
    answer()
    await net.quiet()
    assert.deepEqual(coveredAt(other, owner), [1, 2])
    await net.close()
  })

  it('an owner that shows less, and is silent when asked, is truncated once it has said it again', async () => {
    const { net, writer, peer, owner, shorter } = await ownerThatShowsLess()
    net.mute(shorter, 'witness', 'head')
    await net.gossip()
    clock.advanceTo(millis(clock.now() + CHAIN_READ_TIMEOUT_MS - 1))
    await net.gossip() // What it says before may have been under way for as long.
    assert.equal(lanesOf(peer)[owner.id], 'ok')
    clock.advanceTo(millis(clock.now() + 1))
    await net.gossip()
    assert.equal(lanesOf(peer)[owner.id], 'truncated')
    await net.leave(shorter)
    const whole = await net.join(writer)
    await net.gossip()
    assert.equal(lanesOf(peer)[owner.id], 'ok')
    await net.close()
    assert(whole.id === owner.id)
  })

  it('who comes later learns of the evidence when it connects', async () => {
    const net = new Net()
    const left = await net.join(kit(2))
    const [a, b] = [await kit(1).open(), await kit(1).open()]
    await a.append([draft(1)])
    await b.append([draft(2)])
    const cheat = kit(1).lane
    await left.chain.accept(cheat, await recordsOf(a, cheat))
    await left.chain.accept(cheat, await recordsOf(b, cheat))
    const late = await net.join(kit(3))
    await late.chain.accept(cheat, await recordsOf(a, cheat))
    assert.equal(lanesOf(late)[cheat], 'ok')
    left.witness.connected(late.id)
    await net.quiet()
    assert.equal(lanesOf(late)[cheat], 'forked')
    for (const chain of [a, b]) await chain.stop()
    for (const node of [left, late]) await net.leave(node)
  })
})

function lanesIn(chain: Chain): Readonly<Record<string, string>> {
  return Object.fromEntries(chain.status().map(({ lane, state }) => [lane, state]))
}

describe('members that keep only headers', () => {
  it('get them from each other; nobody takes theirs for the whole', async () => {
    const net = new Net()
    const owner = await net.join(kit(1))
    const headers: ChainOptions = {
      keeping: (lane) => (lane === kit(1).lane ? 'headers' : 'whole')
    }
    const [bare, other] = [await net.join(kit(2), headers), await net.join(kit(3), headers)]
    const whole = await net.join(kit(4))
    net.cut(owner, other)
    net.cut(owner, whole)
    await owner.chain.append([draft(1), draft(2)])
    for (let round = 0; round < 3; round += 1) await net.gossip()
    const heightAt = ({ chain }: Node): number =>
      chain.status().find(({ lane }) => lane === owner.id)?.height ?? 0
    assert.deepEqual([heightAt(bare), heightAt(other), heightAt(whole)], [1, 1, 0])
    // Who wants the whole knows that there is more, and waits for somebody who has it.
    assert.equal(whole.chain.status().find(({ lane }) => lane === owner.id)?.state, 'behind')
    for (const { chain } of [bare, other]) {
      assert.equal((await chain.entry(`1.0@${owner.id}`))?.payload, null)
      assert.deepEqual((await chain.verify()).problems, [])
    }
    const body = { lane: owner.id, from: 1, bytesMax: 1e6 }
    const read = (bare_: Cbor): Promise<Cbor> => {
      const request = { peer: whole.id, method: 'read', body: { ...body, ...Object(bare_) } }
      return Promise.resolve(bare.sync.service().serve(request as RpcRequest))
    }
    assert.deepEqual(await read({}), { records: [] })
    assert.equal(Object(await read({ bare: true })).records.length, 1)
    await net.close()
  })

  it('know all the same when an owner has lost blocks, and when it has two versions of one', async () => {
    const net = new Net()
    const first = kit(1)
    const owner = await net.join(first)
    const headers: ChainOptions = { keeping: (lane) => (lane === first.lane ? 'headers' : 'whole') }
    const bare = await net.join(kit(2), headers)
    await owner.chain.append([draft(1)])
    await owner.chain.append([draft(2)])
    await net.gossip()
    await net.leave(owner)
    // The same key on another disk, with another history.
    const twin = await net.join(kit(1))
    await twin.chain.append([draft(3)])
    await net.gossip()
    assert.equal(bare.chain.isBelieved(first.lane), false)
    assert.equal(twin.chain.failure()?.code, 'CHAIN_LANE_TRUNCATED')
    await net.close()
  })
})
