// One lane to a new member over two meshes on loopback, beside the same bytes over one bare stream.

import process from 'node:process'
import type { Chain } from '../../chain/index.ts'
import { systemClock, systemEntropy } from '../../core/system.ts'
import { libp2pNetwork } from '../../mesh/index.ts'
import type { ByteStream, Connection, ConnectionAcceptor, Network } from '../../mesh/index.ts'
import { ChainSync } from '../../node/chain-sync.ts'
import { laneGarbageMeter } from '../../node/stream-garbage.ts'
import { silentLog } from '../../test/doubles/silent-log.ts'
import { timed } from '../stats.ts'
import { bareMesh, inviteLine, untilConnected } from './meshes.ts'

const CHUNK_BYTES = 64 * 1024
const PROTOCOL = '/weft/bench/1'

export interface Replicated {
  readonly replication: Spent
  readonly stream: Spent
}

/** Of the clock, and of all cores together. */
export interface Spent {
  readonly ms: number
  readonly cpuMs: number
}

export async function replicateBesideStream(
  owner: Chain,
  member: Chain,
  bytes: number
): Promise<Replicated> {
  return { replication: await replicate(owner, member), stream: await stream(bytes) }
}

async function replicate(owner: Chain, member: Chain): Promise<Spent> {
  const [one, two] = [bareMesh('one'), bareMesh('two')]
  const meter = laneGarbageMeter() // As in a kernel.
  const sync = (chain: Chain, { mesh }: typeof one): ChainSync =>
    new ChainSync({
      self: mesh.nodeId,
      chain,
      rpc: mesh.rpc,
      log: silentLog,
      meter,
      connectedPeers: () => [],
      isMember: () => true,
      onFailed: () => undefined,
      onForked: () => undefined,
      onHeads: () => undefined
    })
  const [from, to] = [sync(owner, one), sync(member, two)]
  one.mesh.serve(from.service())
  two.mesh.serve(to.service())
  await one.mesh.start()
  await one.mesh.found()
  await two.mesh.start()
  await two.mesh.join(await inviteLine(one.mesh), new AbortController().signal)
  await untilConnected(two.mesh)
  const [head] = owner.heads()
  const whole = Promise.withResolvers<void>()
  const forget = member.onAdvance(({ height }) => {
    if (height === head?.height) whole.resolve()
  })
  const took = await spent(async () => {
    to.heard(one.mesh.nodeId, from.heads())
    await whole.promise
  })
  forget()
  await Promise.all([from.stop(), to.stop()])
  await two.stop()
  await one.stop()
  return took
}

async function stream(bytes: number): Promise<Spent> {
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const network = (): Network =>
    libp2pNetwork({ seed: systemEntropy.bytes(32), clock: systemClock, log: silentLog }, { listen })
  const [sender, receiver] = [network(), network()]
  receiver.handle([PROTOCOL])
  const done = Promise.withResolvers<void>()
  const drain = async ({ chunks }: ByteStream): Promise<void> => {
    let left = bytes
    for await (const chunk of chunks) {
      left -= chunk.length
      if (left <= 0) break
    }
    done.resolve()
  }
  await receiver.start(
    acceptor((connection) => connection.onStream((_protocol, opened) => void drain(opened)))
  )
  await sender.start(acceptor(() => undefined))
  const signal = new AbortController().signal
  const target = { nodeId: receiver.self, addresses: receiver.addresses() }
  const connection = await sender.dial(target, signal)
  const opened = await connection.openStream(PROTOCOL, signal)
  const chunk = new Uint8Array(CHUNK_BYTES).fill(7)
  const took = await spent(async () => {
    for (let sent = 0; sent < bytes; sent += CHUNK_BYTES) await opened.write(chunk)
    await done.promise
  })
  await sender.stop()
  await receiver.stop()
  return took
}

async function spent(work: () => Promise<void>): Promise<Spent> {
  const before = process.cpuUsage()
  const ms = await timed(work)
  const { user, system } = process.cpuUsage(before)
  return { ms, cpuMs: (user + system) / 1000 }
}

function acceptor(onConnected: (connection: Connection) => void): ConnectionAcceptor {
  return { admits: () => true, admitsStream: () => true, connected: onConnected }
}
