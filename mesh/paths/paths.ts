// The paths of one node, for the mesh and for people who ask: which there are, whether they still work,
// and what would make better ones possible.

import type { Clock, Millis, NodeId } from '../../core/index.ts'
import { PeerSearch } from '../discovery/search.ts'
import type { Connection, ContentRouting, NetworkSurvey } from '../ports.ts'
import type { RpcClient } from '../rpc/index.ts'
import { PING_TIMEOUT_MS } from './limits.ts'
import { PathKeeper } from './path-keeper.ts'
import type { PathKeeperDeps } from './path-keeper.ts'
import { pathKind, relayOf } from './path.ts'
import type { PathKind } from './path.ts'

export interface PathsDeps extends PathKeeperDeps {
  readonly rpc: RpcClient
  /** Whether a connected peer answers a small question quickly. */
  readonly probe: (peer: NodeId) => Promise<boolean>
  /** Cuts the connection to a peer that does not. */
  readonly cut: (peer: NodeId) => void
  /** Members without a connection. */
  readonly missing: () => readonly NodeId[]
  /** Somebody says that `peer` listens there. */
  readonly found: (peer: NodeId, addresses: readonly string[]) => void
  /** Lets the dialler try everybody at once. */
  readonly redial: () => void
}

/** How a connected peer is reached now. */
export interface Path {
  readonly kind: PathKind
  readonly isDirect: boolean
  readonly address: string
  /** The node that relays; null on a direct path. */
  readonly relay: string | null
}

export interface PathPing extends Path {
  readonly rttMs: number
}

export interface RelayReport {
  readonly nodeId: NodeId
  readonly rttMs: number | null
}

export interface NetcheckReport {
  /** Null where the network cannot be asked (a simulated one). */
  readonly survey: NetworkSurvey | null
  readonly relays: readonly RelayReport[]
  readonly direct: number
  readonly relayed: number
}

export class Paths {
  readonly #deps: PathsDeps
  readonly #keeper: PathKeeper
  readonly #search: PeerSearch | null

  constructor(deps: PathsDeps) {
    this.#deps = deps
    const { paths } = deps.network
    this.#search = paths === undefined ? null : new PeerSearch({ ...deps, paths })
    this.#keeper = new PathKeeper(deps)
  }

  /** To be called once a second, and with each new connection. */
  tick(): void {
    if (this.#deps.network.paths?.refresh() === true) this.shaken()
    this.#keeper.tick()
    const missing = this.#deps.missing()
    if (missing.length === 0) this.#deps.network.paths?.settle()
    this.#search?.tick(missing)
  }

  /** Who has what, by the members' hash table; null where the network has none (a simulated one). */
  get routing(): ContentRouting | null {
    return this.#deps.network.paths?.routing ?? null
  }

  /**
   * The machine slept, or its addresses have changed: every connection must answer now or is cut, and
   * everybody else is dialled at once.
   */
  shaken(): void {
    const { network, tasks, connections, probe, cut, redial } = this.#deps
    this.#keeper.changed()
    network.paths?.seek()
    redial()
    for (const { peer } of connections()) {
      tasks.run('probe', async () => {
        if (!(await probe(peer)) && !tasks.signal.aborted) cut(peer)
      })
    }
  }

  /** An address was learned. */
  changed(): void {
    this.#keeper.changed()
  }

  dialAddresses(peer: NodeId): readonly string[] {
    return this.#keeper.dialAddresses(peer)
  }

  /** Null where no connection serves for `peer`. */
  of(peer: NodeId): Path | null {
    const connection = this.#deps.connections().find((each) => each.peer === peer)
    return connection === undefined ? null : pathOf(connection)
  }

  /**
   * One round trip, and the path that it took. Looks for a better path meanwhile.
   * @throws WeaverError `MESH_PEER_UNREACHABLE`, `MESH_CALL_TIMED_OUT`
   */
  async ping(peer: NodeId, signal: AbortSignal): Promise<PathPing> {
    const { clock, rpc } = this.#deps
    if (this.of(peer)?.isDirect === false) this.#keeper.changed()
    this.#keeper.tick()
    const rttMs = await roundTrip({ clock, rpc }, { peer, signal, timeoutMs: PING_TIMEOUT_MS })
    const path = this.of(peer)
    if (path !== null) return { ...path, rttMs }
    return { kind: 'lan', isDirect: true, address: '', relay: null, rttMs } // Lost since the answer.
  }

  /**
   * Somebody at `peer` asks for the path to us. Where it is relayed, perhaps we can dial `peer` though it
   * cannot dial us, which one side behind a NAT is.
   */
  pinged(peer: NodeId): void {
    if (this.of(peer)?.isDirect !== false) return
    this.#keeper.changed()
    this.#keeper.tick()
  }

  async netcheck(signal: AbortSignal): Promise<NetcheckReport> {
    const { network, clock, rpc, connections } = this.#deps
    const paths = connections().map(pathOf)
    const relays = this.#keeper.relays().map(async ({ peer }): Promise<RelayReport> => {
      const rttMs = roundTrip({ clock, rpc }, { peer, signal, timeoutMs: PING_TIMEOUT_MS })
      return { nodeId: peer, rttMs: await rttMs.catch(() => null) }
    })
    const survey = network.paths?.survey(signal) ?? null
    return {
      survey: await survey,
      relays: await Promise.all(relays),
      direct: paths.filter(({ isDirect }) => isDirect).length,
      relayed: paths.filter(({ isDirect }) => !isDirect).length
    }
  }
}

export function pathOf({ remoteAddress }: Pick<Connection, 'remoteAddress'>): Path {
  const kind = pathKind(remoteAddress)
  const relay = relayOf(remoteAddress)
  return { kind, isDirect: kind !== 'relay', address: remoteAddress, relay }
}

interface RoundTripDeps {
  readonly clock: Clock
  readonly rpc: RpcClient
}

interface RoundTripOptions {
  readonly peer: NodeId
  readonly signal: AbortSignal
  readonly timeoutMs: Millis
}

async function roundTrip(
  { clock, rpc }: RoundTripDeps,
  options: RoundTripOptions
): Promise<number> {
  const { peer, ...rest } = options
  const sentAt = clock.now()
  await rpc.call(peer, 'mesh', 'ping', null, rest)
  return Math.round((clock.now() - sentAt) * 1000) / 1000
}
