// What a mesh is given, and the plain documents that it answers with.

import type {
  Clock,
  Entropy,
  KeyValueStore,
  Logger,
  MeshId,
  Prng,
  Signer,
  UnixMillis
} from '../core/index.ts'
import type { Incarnation } from './membership/incarnation.ts'
import type { MeshLedger, Network, PulseSource } from './ports.ts'

export interface MeshDeps {
  readonly network: Network
  readonly clock: Clock
  readonly prng: Prng
  readonly entropy: Entropy
  readonly signer: Signer
  readonly store: KeyValueStore
  readonly log: Logger
  readonly ledger: MeshLedger
  readonly pulse: PulseSource
  /**
   * Told of the bytes of peers that send more than their share: they are outside of V8's heap, which looks for
   * dead ones late.
   */
  readonly pressed?: (bytes: number) => void
}

export interface MeshOptions {
  /** The name under which this node founds or joins a mesh; a member keeps the one it was admitted by. */
  readonly name: string
  /** `generation` grows with every start of this home's kernel, `bootId` is new at each. */
  readonly incarnation: Incarnation
  /** Multiaddrs ending in `/p2p/<node id>` where members may be found, from the configuration. */
  readonly staticAddresses?: readonly string[]
}

export interface MeshStatus {
  readonly meshId: MeshId | null
  readonly members: number
  readonly connected: number
  /** Why the mesh keeps this kernel out (a copied home), in a sentence; null as it should be. */
  readonly refused: string | null
  /** What the owner should know though everything works; null as a rule. */
  readonly warning: string | null
}

export interface IssuedInvite {
  readonly line: string
  readonly expiresAt: UnixMillis
  readonly uses: number
}
