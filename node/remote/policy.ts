// The policy of the mesh between members: each says which version it has when a connection opens and when it
// gets a newer one; whoever has an older one asks for it. What is fetched proves itself by its author's signature,
// so it may come from anybody, also long after its author has gone to sleep.

import { z } from 'zod'
import { millis } from '../../core/index.ts'
import type { Cbor, Clock, Logger, NodeId } from '../../core/index.ts'
import type { MeshPolicy } from '../../governance/index.ts'
import { isNewer } from '../../governance/index.ts'
import type { Mesh, RpcRequest, RpcService } from '../../mesh/index.ts'
import { POLICY_RETRY_MS, REMOTE_CALL_TIMEOUT_MS } from '../limits.ts'
import { noSuchMethod } from './errors.ts'
import { answered, received } from './received.ts'

const SERVICE = 'policy'

export interface PolicyExchangeDeps {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly log: Logger
  readonly held: () => MeshPolicy | null
  /** Resolves with whether it is in force now. */
  readonly receive: (bytes: Uint8Array) => Promise<boolean>
}

const haveSchema = z.object({ version: z.int().min(0), digest: z.string().max(64) })
const answerSchema = z.object({ bytes: z.instanceof(Uint8Array).nullable() })
const NOTHING = { version: 0, digest: '' }

export class PolicyExchange {
  readonly #deps: PolicyExchangeDeps
  readonly #connected = new Set<NodeId>()
  readonly #fetching = new Set<NodeId>()
  readonly #stopping = new AbortController()
  readonly #end: () => void

  constructor(deps: PolicyExchangeDeps) {
    this.#deps = deps
    this.#end = deps.mesh.onPeerChange(({ nodeId, isConnected }) => {
      if (!isConnected) this.#connected.delete(nodeId)
      else if (!this.#connected.has(nodeId)) {
        this.#connected.add(nodeId)
        this.#say(nodeId)
      }
    })
  }

  service(): RpcService {
    return { name: SERVICE, serve: (request) => this.#serve(request) }
  }

  /** There is a newer one here: everybody who is connected hears of it. */
  announce(): void {
    for (const peer of this.#connected) this.#say(peer)
  }

  stop(): void {
    this.#end()
    this.#stopping.abort()
  }

  #say(peer: NodeId): void {
    const { version, digest } = this.#deps.held() ?? NOTHING
    this.#deps.mesh.rpc.notify(peer, SERVICE, 'have', { version, digest })
  }

  async #serve({ method, body, peer }: RpcRequest): Promise<Cbor> {
    switch (method) {
      case 'have': {
        const theirs = received(haveSchema, body)
        const held = this.#deps.held()
        if (theirs.version > 0 && isNewer(theirs, held)) this.#fetchFrom(peer)
        else if (held !== null && isNewer(held, theirs)) this.#say(peer)
        return null
      }
      case 'get':
        return { bytes: this.#deps.held()?.bytes ?? null }
      default:
        throw noSuchMethod(SERVICE, method)
    }
  }

  /** One fetch at a time from each: what it says meanwhile, it says again when asked. */
  #fetchFrom(peer: NodeId): void {
    if (this.#fetching.has(peer) || this.#stopping.signal.aborted) return
    this.#fetching.add(peer)
    this.#fetch(peer)
      .catch((error: unknown) => {
        this.#deps.log.warn('Cannot take a policy of the mesh', { peer, why: String(error) })
      })
      .finally(() => this.#fetching.delete(peer))
      .catch(() => undefined) // `finally` adds no failure of its own.
  }

  async #fetch(peer: NodeId): Promise<void> {
    const { mesh, clock, receive } = this.#deps
    const { signal } = this.#stopping
    for (let wait = POLICY_RETRY_MS; ; wait = millis(wait * 2)) {
      try {
        const options = { signal, timeoutMs: REMOTE_CALL_TIMEOUT_MS }
        const { bytes } = answered(
          answerSchema,
          await mesh.rpc.call(peer, SERVICE, 'get', null, options)
        )
        if (bytes !== null && (await receive(bytes))) this.announce()
        return
      } catch (error) {
        // A refusal stays one; what the network or the disk did may pass.
        const isPassing = error instanceof Error && 'retry' in error && error.retry !== 'never'
        if (!isPassing || signal.aborted || !this.#connected.has(peer)) throw error
        await clock.sleep(wait, signal)
      }
    }
  }
}
