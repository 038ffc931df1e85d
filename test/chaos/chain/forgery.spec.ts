// Attack classes 19 and 20 at the running system. Goal: a member that forks, cuts or back-dates its lane, that writes in
// the name of another, or that says once more what was said before, is found out by real kernels, and gains nothing.
// Method: two kernels of processes of their own, and a member of our making that keeps lanes as it likes.

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { assembleBlock, EMPTY_TIP, tipOf } from '../../../chain/block.ts'
import type { Tip } from '../../../chain/block.ts'
import { pendingEntry } from '../../../chain/entry.ts'
import { HLC_ZERO } from '../../../chain/hlc.ts'
import { decodeHeader } from '../../../chain/header.ts'
import { openChain } from '../../../chain/index.ts'
import type { Chain } from '../../../chain/index.ts'
import { blockHash } from '../../../chain/hashes.ts'
import { headerBytesOf, parseFrameHead } from '../../../chain/record.ts'
import { nodeId, unixMillis } from '../../../core/index.ts'
import type { Cbor, NodeId, Signer } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { fieldsOf } from '../../../mesh/exchange.ts'
import type { RpcRequest } from '../../../mesh/index.ts'
import { CHAIN_READ_TIMEOUT_MS } from '../../../node/limits.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { Lab, until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { HostilePeer } from '../mesh/hostile-peer.ts'
import { heightOf, laneOf } from './lanes.ts'

describe('chaos: a member that forges its lane (attack classes 19 and 20)', function () {
  this.timeout(120_000)
  let lab: Lab
  let laptop: KernelHandle
  let server: KernelHandle
  let mallory: HostilePeer
  /** What each kernel gets to read of Mallory's lane. */
  let shown: Map<NodeId, readonly Uint8Array[]>
  const chains: Chain[] = []

  beforeEach(async () => {
    lab = await Lab.open()
    ;[laptop, server] = await lab.pair()
    mallory = await HostilePeer.start()
    await mallory.join(await lab.invite('laptop'), 'mallory')
    shown = new Map()
    const read = ({ peer, method, body }: RpcRequest): Promise<Cbor> => {
      if (method !== 'read') return Promise.resolve(null)
      const from = Number(fieldsOf(body)['from'])
      return Promise.resolve({ records: [...(shown.get(peer) ?? [])].slice(from - 1) })
    }
    mallory.rpc.serve({ name: 'chain', serve: read })
    for (const kernel of [laptop, server]) {
      const { nodeId: id, listen } = await kernel.client.meshStatus()
      await reach(mallory, nodeId(id), listen)
    }
  })

  /** The kernel may dial at the same time, and close this connection for its own. */
  async function reach(peer: HostilePeer, id: NodeId, listen: readonly string[]): Promise<void> {
    await until(async () => {
      const answers = async (): Promise<boolean> => {
        await peer.call(id, 'mesh', 'ping', null)
        return true
      }
      return await answers().catch(async () => {
        await peer.connect(id, listen).catch(() => undefined)
        return false
      })
    })
  }

  afterEach(async () => {
    await mallory.stop()
    for (const chain of chains.splice(0)) await chain.stop()
    await lab.close()
  })

  /** A lane of Mallory's key with one entry a block. */
  async function lane(...kinds: readonly string[]): Promise<Chain> {
    const disk = new MemoryLaneDisk().mount()
    const deps = { disk, clock: systemClock, signer: mallory.signer, log: silentLog }
    const chain = await openChain(deps, {})
    chains.push(chain)
    for (const kind of kinds) {
      await chain.append([{ kind, actor: 'user:local', subject: 'task:1', payload: null }])
    }
    return chain
  }

  async function idOf({ client }: KernelHandle): Promise<NodeId> {
    return nodeId((await client.meshStatus()).nodeId)
  }

  /** Shows records of a lane to a kernel, and says that there are so many. */
  async function show(to: KernelHandle, records: readonly Uint8Array[]): Promise<void> {
    const peer = await idOf(to)
    shown.set(peer, records)
    const last = records.at(-1) ?? new Uint8Array(0)
    const { height, hash, entries } = tipIn(last)
    const head = { lane: mallory.id, height, hash, entries }
    const { listen } = await to.client.meshStatus()
    await reach(mallory, peer, listen)
    await mallory.call(peer, 'chain', 'heads', [head])
  }

  async function recordsOf(chain: Chain): Promise<readonly Uint8Array[]> {
    return (await chain.read(mallory.id, 1, 1e6)).records
  }

  it('20, split view: two versions of one height are found by both kernels, kept as proof, and cost it all work', async () => {
    const [one, other] = [await lane('a', 'b'), await lane('a', 'c')]
    await show(laptop, await recordsOf(one))
    await show(server, await recordsOf(other))
    const began = performance.now()
    for (const kernel of [laptop, server]) {
      await until(async () => (await laneOf(kernel, mallory.id))?.state === 'forked', 10_000)
      const { ok, problems } = await kernel.client.verifyChain(null)
      assert.equal(ok, false)
      assert.deepEqual(
        new Set(problems.map(({ lane: name, code }) => `${name} ${code}`)),
        new Set(['mallory CHAIN_LANE_FORKED'])
      )
    }
    process.stderr.write(`      found by both in ${Math.round(performance.now() - began)} ms\n`)
    // The proof is on both disks, convinces without either, and outlives a restart.
    for (const kernel of [laptop, server]) {
      const names = await readdir(join(kernel.home, 'chain'))
      assert(
        names.some((name) => name.startsWith(`${mallory.id}.evidence`)),
        kernel.name
      )
    }
    await lab.done('laptop', 'kernel', 'restart')
    assert.equal((await laneOf(laptop, mallory.id))?.state, 'forked')
    const run = await lab.weaver(
      'laptop',
      'run',
      '--on',
      'mallory',
      '--timeout',
      '2s',
      '--',
      'true'
    )
    assert.notEqual(run.code, 0)
    assert.equal((await laneOf(laptop, await idOf(server)))?.state, 'ok')
  })

  it('20, truncation: an owner that shows less than it once did is seen to', async () => {
    const all = await recordsOf(await lane('a', 'b', 'c'))
    await show(laptop, all)
    await until(async () => (await laneOf(laptop, mallory.id))?.height === 3)
    mallory.rpc.serve({
      name: 'witness',
      serve: ({ method }) => Promise.resolve(method === 'head' ? { height: 1 } : null)
    })
    await until(async () => {
      await show(laptop, all.slice(0, 1))
      return (await laneOf(laptop, mallory.id))?.state === 'truncated'
    }, 10_000)
    assert.equal((await laneOf(laptop, mallory.id))?.height, 3)
  })

  it('20, silence: an owner that shows less and answers nothing is seen to as well, and holds up no stop', async () => {
    mallory.rpc.serve({ name: 'witness', serve: () => new Promise(() => undefined) })
    const all = await recordsOf(await lane('a', 'b', 'c'))
    await show(laptop, all)
    await until(async () => (await laneOf(laptop, mallory.id))?.height === 3)
    await until(async () => {
      await show(laptop, all.slice(0, 1))
      return (await laneOf(laptop, mallory.id))?.state === 'truncated'
    }, CHAIN_READ_TIMEOUT_MS + 10_000)
    // It was asked once more just now, and does not answer.
    const began = performance.now()
    await lab.done('laptop', 'kernel', 'stop')
    const tookMs = performance.now() - began
    assert(tookMs < CHAIN_READ_TIMEOUT_MS / 2, `stopped in ${Math.round(tookMs)} ms`)
  })

  it('20, forgery: what is back-dated, or in the name of another, is stored nowhere', async () => {
    const first = signedBlock(mallory.signer, EMPTY_TIP, systemClock.wall())
    await show(laptop, [first])
    await until(async () => (await laneOf(laptop, mallory.id))?.height === 1)
    const backDated = signedBlock(mallory.signer, tipIn(first), systemClock.wall() - 3_600_000)
    await show(laptop, [first, backDated])
    // A block of the server's lane, signed by Mallory.
    const victim = await idOf(server)
    const held = await heightOf(laptop, victim)
    const peer = await idOf(laptop)
    const stolen = signedBlock(
      mallory.signer,
      { ...tipIn(first), height: held },
      systemClock.wall()
    )
    shown.set(peer, [...Array.from({ length: held }, () => stolen), stolen])
    await mallory.call(peer, 'chain', 'heads', [
      { lane: victim, height: held + 1, hash: tipIn(stolen).hash, entries: 9999 }
    ])
    // What an honest member does next is stored: so the kernel has been through all of it.
    await lab.done('server', 'run', '--', 'true')
    await until(async () => (await heightOf(laptop, victim)) > held)
    assert.equal((await laneOf(laptop, mallory.id))?.height, 1)
    await until(async () => (await laneOf(laptop, victim))?.state === 'ok')
    assert.equal((await laptop.client.verifyChain(null)).ok, true)
    const log = await readFile(join(laptop.home, 'logs', 'kernel.log'), 'utf8')
    assert.match(log, /CHAIN_TIME_BACKWARDS/)
  })

  it('20, agents: what runs contained reaches neither the log nor its key', async () => {
    const chain = join(laptop.home, 'chain')
    const script = `echo began; ls '${chain}' '${laptop.home}/identity.key' '${laptop.home}/run/kernel.sock' && echo reached`
    const run = await lab.weaver('laptop', 'run', '--', 'sh', '-c', script)
    assert.notEqual(run.code, 0)
    assert.equal(run.stdout, 'began\n')
    const write = `echo forged >> '${chain}'/forged.lane; for f in '${chain}'/*; do echo forged >> "$f"; done`
    await lab.weaver('laptop', 'run', '--', 'sh', '-c', write)
    assert.deepEqual((await laptop.client.verifyChain(null, true)).problems, [])
  })

  it('19: captured records, heads and checkpoints do nothing a second time, elsewhere, or after a restart', async () => {
    const chain = await lane('a')
    const early = await recordsOf(chain)
    await chain.proofs.checkpoint()
    const request = await chain.proofs.request(0)
    assert(request !== null)
    const { note, laneKey, oldSize, path } = request
    const captured = { note, laneKey, old: oldSize, path: [...path] }
    const cosign = async (to: KernelHandle): Promise<unknown> =>
      fieldsOf(await mallory.call(await idOf(to), 'witness', 'cosign', captured))['status']
    await show(laptop, early)
    await until(async () => (await laneOf(laptop, mallory.id))?.height === 1)
    assert.equal(await cosign(laptop), 200)
    for (let again = 0; again < 2; again += 1) assert.equal(await cosign(laptop), 409)
    assert.equal(await cosign(server), 200) // Another witness: it has not spoken yet.
    assert.equal(await cosign(server), 409)
    await chain.append([{ kind: 'b', actor: 'user:local', subject: 'task:1', payload: null }])
    await show(laptop, await recordsOf(chain))
    await until(async () => (await laneOf(laptop, mallory.id))?.height === 2)
    await lab.done('laptop', 'kernel', 'restart')
    const { listen } = await laptop.client.meshStatus()
    await reach(mallory, await idOf(laptop), listen)
    assert.equal(await cosign(laptop), 409)
    // Old records and old heads: the lane stays as high as it was, and is not doubted for it.
    const peer = await idOf(laptop)
    for (let again = 0; again < 2; again += 1) {
      shown.set(peer, early)
      const { height, hash, entries } = tipIn(early[0] ?? new Uint8Array(0))
      await mallory.call(peer, 'chain', 'heads', [{ lane: mallory.id, height: 9, hash, entries }])
      await mallory.call(peer, 'chain', 'heads', [{ lane: mallory.id, height, hash, entries }])
    }
    await lab.done('laptop', 'chain', 'verify')
    const view = await laneOf(laptop, mallory.id)
    assert.equal(view?.height, 2)
    assert.notEqual(view?.state, 'forked')
    // In another mesh nobody knows its lane.
    const stranger = await lab.start('stranger')
    const elsewhere = await HostilePeer.start()
    try {
      await elsewhere.join(await lab.invite('stranger'), 'other')
      const { nodeId: id, listen: at } = await stranger.client.meshStatus()
      await reach(elsewhere, nodeId(id), at)
      const answer = await elsewhere.call(nodeId(id), 'witness', 'cosign', captured)
      assert.equal(fieldsOf(answer)['status'], 404)
    } finally {
      await elsewhere.stop()
    }
  })
})

function signedBlock(signer: Signer, tip: Tip, wall: number): Uint8Array {
  const entries = [
    pendingEntry({ kind: 'a', actor: 'user:local', subject: 'task:1', payload: null })
  ]
  const clock = HLC_ZERO
  const salts = new Uint8Array(16)
  const honest = { clock, wall: unixMillis(wall), entries, links: [], salts }
  // As one who does not look at the time of the block before.
  return assembleBlock(signer, { ...honest, tip: { ...tip, time: HLC_ZERO } }).record
}

function tipIn(record: Uint8Array): Tip {
  const head = parseFrameHead(record)
  assert(head !== null)
  const bytes = headerBytesOf(record, head)
  const header = decodeHeader(bytes)
  return tipOf({ header, hash: blockHash(bytes) })
}
