// Two kernels with one key: whoever notices records it, and both owners are told.

import type { Cbor, Entropy, Logger, MeshId, NodeId, Signer } from '../../core/index.ts'
import { PROTOCOL_VERSIONS } from '../limits.ts'
import { CLAIM_NONCE_BYTES, isProofOfCopy, readClaim, signClaim } from '../membership/claim.ts'
import type { Membership } from '../membership/fold.ts'
import type { Hello, HelloRefusedError } from '../membership/hello.ts'
import type { Incarnation } from '../membership/incarnation.ts'
import type { MeshLedger } from '../ports.ts'
import type { RpcClient } from '../rpc/index.ts'
import type { Tasks } from '../tasks.ts'
import { MESH_SERVICE } from './pulse.ts'

export interface IdentityWatchDeps {
  readonly signer: Signer
  readonly entropy: Entropy
  readonly ledger: MeshLedger
  readonly log: Logger
  readonly tasks: Tasks
  readonly rpc: RpcClient
  readonly meshId: () => MeshId | null
  readonly nameOf: (id: string) => string
}

/** Refused runs recorded in one life of this kernel: one that insists must not fill the lane. */
const RECORDED_MAX = 64

export class IdentityWatch {
  readonly #deps: IdentityWatchDeps
  readonly #own: Incarnation
  readonly #recorded = new Set<string>()
  /** Why the mesh keeps this kernel out; null as it should be. */
  refused: string | null = null
  /** That this node was evicted, and by whom; null as it should be. */
  evicted: string | null = null
  /** That another kernel has tried to be this node; null as it should be. */
  warning: string | null = null

  constructor(deps: IdentityWatchDeps, options: { readonly incarnation: Incarnation }) {
    this.#deps = deps
    this.#own = options.incarnation
  }

  /** What this kernel says first on a connection. */
  hello(mesh: MeshId, name: string, addresses: readonly string[]): Hello {
    const { signer, entropy } = this.#deps
    return {
      mesh,
      name,
      incarnation: this.#own,
      addresses,
      version: PROTOCOL_VERSIONS.newest,
      claim: signClaim(signer, mesh, this.#own),
      nonce: entropy.bytes(CLAIM_NONCE_BYTES)
    }
  }

  /** Our signed word that this run answers to `nonce`. */
  claim(nonce: unknown): Cbor {
    const mesh = this.#deps.meshId()
    const isNonce = nonce instanceof Uint8Array && nonce.length === CLAIM_NONCE_BYTES
    if (mesh === null || !isNonce) return null
    return { claim: signClaim(this.#deps.signer, mesh, this.#own, nonce) }
  }

  membershipChanged(membership: Membership | null): void {
    const departure = membership?.departed.get(this.#deps.signer.nodeId)
    this.evicted =
      departure?.kind === 'evicted'
        ? `${this.#deps.nameOf(departure.by)} has evicted this node from its mesh, and this key ` +
          'stays out; start with a new WEAVER_HOME to join again'
        : null
  }

  /** We refused a second kernel with the key of `peer`. */
  refusedPeer(peer: NodeId, run: Incarnation, claim: Uint8Array | null): void {
    const { generation, bootId } = run
    const key = `${peer}/${generation}/${bootId}`
    if (this.#recorded.has(key) || this.#recorded.size >= RECORDED_MAX) return
    this.#recorded.add(key)
    this.#deps.log.warn('refused a second kernel with the key of a member', { peer, generation })
    this.#deps.rpc.notify(peer, MESH_SERVICE, 'duplicate', { claim })
    this.#record(peer, { reason: 'MESH_DUPLICATE_IDENTITY', generation, bootId })
  }

  /**
   * A peer refused this kernel as the second one with its key. That is believed on proof alone: else one
   * lying member could halt any other. Returns whether it is news.
   */
  wasRefused(by: NodeId, error: HelloRefusedError, nonce: Uint8Array): boolean {
    if (this.refused !== null) return false
    const mesh = this.#deps.meshId()
    const claim = mesh === null ? null : readClaim(error.evidence, mesh, this.#deps.signer.nodeId)
    if (claim === null || !isProofOfCopy(claim, this.#own, nonce)) {
      this.warning =
        `${this.#deps.nameOf(by)} refuses this node as a copy of itself and cannot prove it: either ` +
        'its memory is wrong, or it lies'
      this.#deps.log.warn('refused as a duplicate without proof', { by })
      return false
    }
    this.refused = error.message
    this.#deps.log.error('the mesh refuses this kernel', { by, error: error.message })
    const { generation, bootId } = this.#own
    this.#record(this.#deps.signer.nodeId, { reason: error.code, by, generation, bootId })
    return true
  }

  /** A peer refused another kernel that had our key. */
  wasDuplicated(by: NodeId): void {
    this.warning =
      `${this.#deps.nameOf(by)} refused a second kernel with the key of this node: this home was ` +
      'copied; end the other kernel, and give that machine a home of its own'
    this.#deps.log.warn('another kernel uses the key of this node', { by })
  }

  #record(node: NodeId, payload: Cbor): void {
    const { tasks, ledger } = this.#deps
    tasks.run('record', () => ledger.record('mesh.refused', `node:${node}`, payload))
  }
}
