// Keeps the paths to connected members good: asks some of them to relay for this node, and looks for a
// better path wherever there is one. Does one thing at a time per connection.
//
// Invariants
//   Z1. A reservation belongs to a connection: a new connection to a relay, after its restart too, gets a
//       new one at once.
//   Z2. Each node asks the same members first (ordered by node id), so that any two nodes share a relay.
//   Z3. A direct path is not left for an address of this machine: a peer on it is as near already, and any other
//       that says the same of itself (127.0.0.1, the bridge of its containers) is not there.

import { millis } from '../../core/index.ts'
import type { Clock, Logger, NodeId } from '../../core/index.ts'
import type { Connection, Network } from '../ports.ts'
import { withDeadline } from '../tasks.ts'
import type { Tasks } from '../tasks.ts'
import { relayFailed } from '../host-errors.ts'
import { Attempts } from './attempts.ts'
import {
  RELAYS_MAX,
  RELAYS_PER_DIAL_MAX,
  RESERVATION_RENEW_MS,
  RESERVE_DELAY_MAX_MS,
  RESERVE_DELAY_MIN_MS,
  RESERVE_TIMEOUT_MS,
  UPGRADE_DELAY_MAX_MS,
  UPGRADE_DELAY_MIN_MS
} from './limits.ts'
import { circuitAddress, dialOrder, hostOf, isBetterPath, isLoopback, pathKind } from './path.ts'

export interface PathKeeperDeps {
  readonly network: Network
  readonly clock: Clock
  readonly log: Logger
  readonly tasks: Tasks
  /** The connections that serve now. */
  readonly connections: () => readonly Connection[]
  /** Where a member may be found, the best first. */
  readonly addressesOf: (peer: NodeId) => readonly string[]
  /** Dials these addresses and lets the connection take over, if it is a better one. */
  readonly upgrade: (peer: NodeId, addresses: readonly string[]) => Promise<void>
}

export class PathKeeper {
  readonly #deps: PathKeeperDeps
  readonly #reserving = new Attempts<Connection>({
    minMs: RESERVE_DELAY_MIN_MS,
    maxMs: RESERVE_DELAY_MAX_MS
  })
  readonly #upgrading = new Attempts<Connection>({
    minMs: UPGRADE_DELAY_MIN_MS,
    maxMs: UPGRADE_DELAY_MAX_MS
  })
  readonly #reserved = new WeakSet<Connection>()
  readonly #busy = new WeakSet<Connection>()

  constructor(deps: PathKeeperDeps) {
    this.#deps = deps
  }

  /** To be called with every new connection, and once a second. */
  tick(): void {
    const connections = this.#deps.connections()
    for (const connection of this.#relayCandidates(connections)) this.#reserve(connection)
    for (const connection of connections) this.#improve(connection)
  }

  /** The network has changed, or an address was learned: whatever failed before may work now. */
  changed(): void {
    this.#upgrading.reset()
  }

  /** The addresses of one dial in their order: direct ones, and circuits through connected members. */
  dialAddresses(peer: NodeId): readonly string[] {
    const circuits = this.#relayCandidates(this.#deps.connections())
      .filter((connection) => connection.peer !== peer)
      .slice(0, RELAYS_PER_DIAL_MAX)
      .map((connection) => circuitAddress(connection.peer))
    return dialOrder([...this.#deps.addressesOf(peer), ...circuits])
  }

  /** Members that hold a reservation of this node. */
  relays(): readonly Connection[] {
    return this.#deps.connections().filter((connection) => this.#reserved.has(connection))
  }

  /** Z2 */
  #relayCandidates(connections: readonly Connection[]): readonly Connection[] {
    if (this.#deps.network.paths === undefined) return []
    return connections
      .filter(({ remoteAddress }) => pathKind(remoteAddress) !== 'relay')
      .toSorted((a, b) => (a.peer < b.peer ? -1 : 1))
      .slice(0, RELAYS_MAX)
  }

  #reserve(connection: Connection): void {
    const { network, clock, log, tasks } = this.#deps
    const { paths } = network
    if (paths === undefined || !this.#reserving.isDue(connection, clock.now())) return
    this.#reserving.begin(connection, clock.now())
    tasks.run('reserve', async (signal) => {
      const deadline = {
        timeoutMs: RESERVE_TIMEOUT_MS,
        signal,
        onTimeout: () => relayFailed(connection.peer, 'no answer in time')
      }
      try {
        await withDeadline(clock, deadline, (inner) => paths.reserve(connection, inner))
        this.#reserved.add(connection)
        this.#reserving.postpone(connection, millis(clock.now() + RESERVATION_RENEW_MS))
      } catch (error) {
        this.#reserved.delete(connection)
        log.debug('a member does not relay for us', { error: String(error) })
      }
    })
  }

  /** Z3 */
  #betterThan(current: string, addresses: readonly string[]): readonly string[] {
    const better = addresses.filter((address) => isBetterPath(address, current))
    if (better.length === 0 || pathKind(current) === 'relay') return better
    const own = new Set(this.#deps.network.addresses().map(hostOf))
    if (own.has(hostOf(current))) return []
    return better.filter((address) => !isLoopback(address) && !own.has(hostOf(address)))
  }

  #improve(connection: Connection): void {
    const { clock, tasks, log } = this.#deps
    const { peer, remoteAddress } = connection
    if (pathKind(remoteAddress) === 'lan' || this.#busy.has(connection)) return
    if (!this.#upgrading.isDue(connection, clock.now())) return
    this.#upgrading.begin(connection, clock.now())
    const better = this.#betterThan(remoteAddress, this.#deps.addressesOf(peer))
    if (better.length === 0) return
    this.#busy.add(connection) // Before the first await: one attempt at a time.
    tasks.run('upgrade', async () => {
      try {
        await this.#deps.upgrade(peer, dialOrder(better))
      } catch (error) {
        log.debug('no better path', { peer, error: String(error) })
      } finally {
        this.#busy.delete(connection)
      }
    })
  }
}
