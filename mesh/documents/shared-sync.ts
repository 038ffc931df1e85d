// Brings documents with several writers from member to member: what this node wrote is pushed at once, and what
// a pulse shows to be different is pulled.
//
// Invariants
//   Z1. A pulse carries a digest of each document's position. Where it differs from ours, we ask that peer for what
//       we lack; if we lack nothing, it asks us.
//   Z2. A pull that brought nothing is not repeated until that peer is somewhere else: what we refuse of it we
//       would refuse again.

import { equalBytes, toHex } from '../../core/index.ts'
import type { Cbor, Logger, NodeId } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { MEMBERS_MAX, SYNC_BYTES_MAX, SYNC_TIMEOUT_MS } from '../limits.ts'
import type { Roster } from '../membership/roster.ts'
import type { RpcClient, RpcRequest, RpcService } from '../rpc/index.ts'
import type { Tasks } from '../tasks.ts'
import { SharedDocuments } from './shared-documents.ts'
import type { SharedDocumentsDeps } from './shared-documents.ts'
import { digestOf, encodePosition, NO_POSITION, parsePosition, stepsSince } from './shared-log.ts'
import { isSharedName, SHARED_NAMES } from './shared-rows.ts'
import type { SharedName } from './shared-rows.ts'
import type { SharedStep } from './shared-step.ts'

const SHARED_SERVICE = 'shared'

export interface SharedSyncDeps {
  readonly documents: SharedDocuments
  readonly rpc: RpcClient
  readonly tasks: Tasks
  readonly log: Logger
  readonly connectedPeers: () => readonly NodeId[]
}

export class SharedSync {
  readonly service: RpcService
  readonly #deps: SharedSyncDeps
  readonly #pulling = new Set<SharedName>()
  /** `<peer>/<document>` -> the peer's digest at which it had nothing for us (Z2). */
  readonly #fruitless = new Map<string, string>()

  constructor(deps: SharedSyncDeps) {
    this.#deps = deps
    this.service = { name: SHARED_SERVICE, serve: (request) => this.#serve(request) }
  }

  /** This node made steps. */
  published(steps: readonly SharedStep[]): void {
    const body = { steps: steps.map(({ bytes }) => bytes) }
    for (const peer of this.#deps.connectedPeers()) {
      this.#deps.rpc.notify(peer, SHARED_SERVICE, 'push', body)
    }
  }

  /** For pulses: where we are. Documents that nobody has written to are left out. */
  digests(): { readonly [document: string]: Uint8Array } {
    const logs = SHARED_NAMES.map((name) => [name, this.#deps.documents.log(name)] as const)
    const written = logs.filter(([, { base, deltas }]) => base !== null || deltas.length > 0)
    return Object.fromEntries(written.map(([name, log]) => [name, digestOf(log)]))
  }

  /** Where `peer` is, as its pulse says (Z1). */
  compare(peer: NodeId, value: unknown): void {
    for (const [name, digest] of Object.entries(fieldsOf(value))) {
      if (!isSharedName(name) || !(digest instanceof Uint8Array)) continue
      const isSame = equalBytes(digest, digestOf(this.#deps.documents.log(name)))
      const tried = this.#tried(name, toHex(digest))
      const isFruitless = this.#fruitless.get(`${peer}/${name}`) === tried
      if (isSame || isFruitless || this.#pulling.has(name)) continue
      this.#pulling.add(name) // Before the first await: one peer at a time.
      this.#deps.tasks.run('pull a shared document', () => this.#pull(peer, name, tried))
    }
  }

  lost(peer: NodeId): void {
    for (const name of SHARED_NAMES) this.#fruitless.delete(`${peer}/${name}`)
  }

  /** With what is void here by now, an old answer means nothing (L1). */
  #tried(name: SharedName, digest: string): string {
    return this.#deps.documents.position(name) === NO_POSITION ? `${digest} from nothing` : digest
  }

  async #pull(peer: NodeId, document: SharedName, tried: string): Promise<void> {
    const { documents, rpc, tasks, log } = this.#deps
    const here = (): Uint8Array => digestOf(documents.log(document))
    const first = here()
    try {
      for (;;) {
        const before = here()
        const position = encodePosition(documents.position(document))
        const options = { signal: tasks.signal, timeoutMs: SYNC_TIMEOUT_MS }
        const body = { document, position }
        const answer = await rpc.call(peer, SHARED_SERVICE, 'pull', body, options)
        await documents.receive(peer, stepsIn(answer))
        if (equalBytes(before, here())) break
      }
      if (equalBytes(first, here())) this.#fruitless.set(`${peer}/${document}`, tried)
    } catch (error) {
      log.debug('a pull of a shared document failed', { peer, error: String(error) })
    } finally {
      this.#pulling.delete(document)
    }
  }

  async #serve({ peer, method, body }: RpcRequest): Promise<Cbor> {
    const { documents } = this.#deps
    if (method === 'push') {
      await documents.receive(peer, stepsIn(body))
      return null
    }
    const { document, position } = fieldsOf(body)
    if (method !== 'pull' || !isSharedName(document)) return null
    const missing = stepsSince(documents.log(document), parsePosition(position), SYNC_BYTES_MAX)
    return { steps: missing.map(({ bytes }) => bytes) }
  }
}

/** The documents that several write, and what brings them about. */
export interface Shared {
  readonly documents: SharedDocuments
  readonly sync: SharedSync
}

interface SharedParts extends Omit<SharedDocumentsDeps, 'isMember' | 'isAdmin' | 'onPublished'> {
  readonly rpc: RpcClient
  readonly roster: Pick<Roster, 'isMember' | 'member'>
}

export function createShared({ roster, ...deps }: SharedParts): Shared {
  const documents = new SharedDocuments({
    ...deps,
    isMember: (id) => roster.isMember(id),
    isAdmin: (id) => roster.member(id)?.role === 'admin',
    onPublished: (steps) => sync.published(steps)
  })
  const sync = new SharedSync({ ...deps, documents })
  return { documents, sync }
}

/** The byte strings of a message's list. */
function stepsIn(value: unknown): readonly unknown[] {
  const { steps } = fieldsOf(value)
  return Array.isArray(steps) ? steps.slice(0, 2 * MEMBERS_MAX) : []
}
