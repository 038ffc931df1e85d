// The mesh's own hash table: kad-dht under a protocol of the mesh, among members alone. It is asked where a
// member is that nothing else finds, and who has some content.
//
// Invariants
//   T1. It makes no connection: it speaks over those that there are, and is told of members that we talk
//       to. libp2p's own dialling and keeping alive stay out of it.
//   T2. At rest it costs next to nothing: no pings, a look at its buckets every hour.
//   T3. What it says is a member's word, and a hint: who answers at an address is for the handshake.

import { createHash } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { start, stop } from '@libp2p/interface'
import type { Connection, PeerId, StreamHandler, Topology } from '@libp2p/interface'
import type { EventTypes, KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { NodeId } from '../core/index.ts'
import { routingUnavailable, streamRefused } from './host-errors.ts'
import { PROVIDER_RECORDS_MAX, TABLE_REFRESH_MS, TABLE_STREAMS_MAX } from './host-limits.ts'
import { nodeIdOrNull } from './libp2p-ids.ts'
import type { ContentRouting } from './ports.ts'

/** libp2p's parts that the table stands on. */
export type TableParts = Omit<KadDHTComponents, 'datastore' | 'metrics' | 'ping'>

export interface HashTableDeps {
  readonly parts: TableParts
  /** Whether `peer` may speak `protocol` here: members alone. */
  readonly mayUse: (peer: PeerId, protocol: string) => boolean
  /** The open connections to `peer`, the best first. */
  readonly connections: (peer: PeerId) => readonly Connection[]
}

const SHA2_256 = 0x12
const RAW = 0x55

/** One life of it: another host, or another mesh, needs another one. */
export class HashTable implements ContentRouting {
  readonly #deps: HashTableDeps & { readonly types: typeof EventTypes }
  readonly #table: KadDHT
  #topology: Topology | null = null

  private constructor(
    deps: HashTableDeps & { readonly types: typeof EventTypes },
    make: (components: KadDHTComponents) => KadDHT,
    protocol: string
  ) {
    this.#deps = deps
    this.#table = make(this.#components(protocol))
  }

  static async start(deps: HashTableDeps, protocol: string): Promise<HashTable> {
    // Loaded where it is used: 2 MB of code that a mesh of one never needs.
    const { kadDHT, EventTypes: types } = await import('@libp2p/kad-dht')
    const make = kadDHT({
      protocol,
      clientMode: false,
      allowQueryWithZeroPeers: true,
      initialQuerySelfInterval: TABLE_REFRESH_MS,
      querySelfInterval: TABLE_REFRESH_MS,
      maxInboundStreams: TABLE_STREAMS_MAX,
      maxOutboundStreams: TABLE_STREAMS_MAX,
      peerInfoMapper: (peer) => peer, // As a rule it leaves out private addresses: ours are such.
      reprovide: { interval: TABLE_REFRESH_MS }
    })
    const table = new HashTable({ ...deps, types }, make, protocol)
    await start(table.#table)
    return table
  }

  async stop(): Promise<void> {
    await stop(this.#table)
  }

  /** A member that we are connected with, and where it says that it listens. */
  async met(node: NodeId, addresses: readonly string[]): Promise<void> {
    const peer = peerIdFromString(node)
    await this.#deps.parts.peerStore.patch(peer, { multiaddrs: parsed(addresses) })
    const [connection] = this.#deps.connections(peer)
    if (connection !== undefined) await this.#topology?.onConnect?.(peer, connection)
  }

  /** Where other members say that `node` listens. */
  async find(node: NodeId, signal: AbortSignal): Promise<readonly string[]> {
    const peer = peerIdFromString(node)
    const found = new Set<string>()
    const { types } = this.#deps
    try {
      for await (const event of this.#table.findPeer(peer, { signal, useCache: false })) {
        if (event.type !== types.FINAL_PEER || !event.peer.id.equals(peer)) continue
        for (const address of event.peer.multiaddrs) found.add(address.toString())
      }
    } catch (error) {
      if (signal.aborted) throw error // Else nobody knows it, or knew it: that is the answer.
    }
    return [...found]
  }

  async provide(key: Uint8Array, signal: AbortSignal): Promise<void> {
    const { peerStore, peerId, addressManager } = this.#deps.parts
    // Whoever asks us is told of us as of others, from there.
    await peerStore.patch(peerId, { multiaddrs: addressManager.getAddresses() })
    const events = this.#table.provide(contentId(key), { signal })[Symbol.asyncIterator]()
    while ((await events.next()).done !== true);
  }

  async withdraw(key: Uint8Array): Promise<void> {
    await this.#table.cancelReprovide(contentId(key))
  }

  async *providers(key: Uint8Array, signal: AbortSignal): AsyncIterable<NodeId> {
    const told = new Set<NodeId>()
    const { types } = this.#deps
    for await (const event of this.#table.findProviders(contentId(key), { signal })) {
      if (event.type !== types.PROVIDER && event.type !== types.PEER_RESPONSE) continue
      for (const { id } of event.providers) {
        const node = nodeIdOrNull(id)
        if (node === null || told.has(node)) continue
        told.add(node)
        yield node
      }
    }
  }

  #components(protocol: string): KadDHTComponents {
    const { parts, mayUse, connections } = this.#deps
    const registrar = withMethods(parts.registrar, {
      handle: async (name, handler, options) => {
        const guarded: StreamHandler = async (stream, connection) => {
          if (!mayUse(connection.remotePeer, name)) stream.abort(streamRefused(name))
          else await handler(stream, connection)
        }
        await parts.registrar.handle(name, guarded, options)
      },
      register: async (_name, topology) => {
        this.#topology = topology // We tell it whom we talk to; libp2p would after `identify` alone.
        return protocol
      },
      unregister: () => undefined
    })
    const connectionManager = withMethods(parts.connectionManager, {
      openStream: async (peer, protocols, options) => {
        const [connection] = isPeerId(peer) ? connections(peer) : []
        if (connection === undefined) throw routingUnavailable('no connection to that member') // T1
        return await connection.newStream(protocols, options)
      },
      isDialable: async () => true
    })
    const peerStore = withMethods(parts.peerStore, {
      // Its tags would have libp2p keep the nearest members connected by itself (T1).
      merge: async (peer, { tags: _tags, ...data }, options) =>
        parts.peerStore.merge(peer, data, options)
    })
    const ping = {
      // Whether a member is there is known: the pulse asks once a second (T2).
      ping: async (peer: PeerId | Multiaddr | Multiaddr[]): Promise<number> => {
        if (!isPeerId(peer) || connections(peer).length === 0) throw routingUnavailable('not there')
        return 0
      }
    }
    const datastore = new ProviderRecords()
    return { ...parts, registrar, connectionManager, peerStore, ping, datastore }
  }
}

/** Provider records, in memory; the oldest give way. */
class ProviderRecords extends MemoryDatastore {
  readonly #keys = new Set<string>()

  override put(...args: Parameters<MemoryDatastore['put']>): ReturnType<MemoryDatastore['put']> {
    const [key] = args
    this.#keys.delete(key.toString())
    this.#keys.add(key.toString())
    if (this.#keys.size > PROVIDER_RECORDS_MAX) {
      const [oldest] = this.#keys
      if (oldest !== undefined) void this.delete(new Key(oldest))
    }
    return super.put(...args)
  }

  override delete(
    ...args: Parameters<MemoryDatastore['delete']>
  ): ReturnType<MemoryDatastore['delete']> {
    this.#keys.delete(args[0].toString())
    return super.delete(...args)
  }
}

/** Of the one kind that the table takes: it reads keys as multihashes of SHA-256. */
function contentId(key: Uint8Array): CID {
  return CID.createV1(RAW, Digest.create(SHA2_256, createHash('sha256').update(key).digest()))
}

function parsed(addresses: readonly string[]): Multiaddr[] {
  return addresses.flatMap((text) => {
    try {
      return [multiaddr(text)]
    } catch {
      return [] // A member's word.
    }
  })
}

function isPeerId(target: unknown): target is PeerId {
  return typeof target === 'object' && target !== null && 'publicKey' in target
}

/** `real`, with some of its methods replaced. */
function withMethods<T extends object>(real: T, own: Partial<T>): T {
  return new Proxy(real, {
    get: (target, key): unknown => {
      if (Object.hasOwn(own, key)) return Reflect.get(own, key)
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
