// What a process holds, as tokens. The kernel keeps them: a process has none in its hands, and so none to lose.
//
// Invariants
//   H1. The token of a child is made from its parent's by narrowing, never anew.
//   H2. What leaves this node is narrowed to one task, epoch and node.
//   H3. A token is checked at each act: what was revoked since, or has run out, allows nothing more.

import { WeaverError } from '../../core/index.ts'
import type { Clock, Epoch, Grant, NodeId, TaskId } from '../../core/index.ts'
import type { Capabilities } from '../../governance/index.ts'
import { AUTHORITY_RENEWED_MS } from './limits.ts'
import type { Rights, RightsBook } from './rights.ts'

export interface AuthorityDeps {
  readonly capabilities: () => Capabilities
  readonly book: RightsBook
  readonly clock: Clock
}

export interface TaskClaims {
  readonly task: TaskId
  readonly epoch: Epoch
  readonly node: NodeId
  readonly grants: readonly Grant[]
}

interface Kept {
  readonly token: Promise<Uint8Array>
  /** What it was made from; null for what was issued anew. */
  readonly from: Uint8Array | null
  readonly at: number
}

export class Authority {
  readonly #deps: AuthorityDeps
  readonly #options: { readonly self: NodeId }
  readonly #kept = new WeakMap<Rights, Kept>()

  constructor(deps: AuthorityDeps, options: { readonly self: NodeId }) {
    this.#deps = deps
    this.#options = options
  }

  /** Why these grants are not held now, or null: they are (H3). */
  async objection(rights: Rights, grants: readonly Grant[]): Promise<string | null> {
    const root = rootOf(rights)
    const { run, proof } = root
    const verdict = await this.#deps.capabilities().check(await this.tokenOf(rights), {
      // What was brought holds for what it was brought for; what this kernel issued, for nothing in particular.
      issuer: proof === null ? this.#options.self : root.origin,
      task: proof === null ? null : (run?.taskId ?? null),
      epoch: proof === null ? null : (run?.epoch ?? null),
      node: this.#options.self,
      grants
    })
    return verdict.kind === 'held' ? null : verdict.reason
  }

  /** For the offer of a task: made from what the process holds that submitted it, if one did (H1, H2). */
  async forTask(claims: TaskClaims): Promise<Uint8Array> {
    const { book } = this.#deps
    const capabilities = this.#deps.capabilities()
    const { task, epoch, node, grants } = claims
    const pid = book.submitterOf(task)
    if (pid === null) return await capabilities.issue({ ...claims, until: null })
    const rights = book.of(pid)
    if (rights === null) throw refused('the process that asked for it has ended')
    const why = await this.objection(rights, grants)
    if (why !== null) throw refused(why)
    // What came from another node holds on this one alone: from here on this node answers for it.
    if (rootOf(rights).proof !== null) return await capabilities.issue({ ...claims, until: null })
    const own = await this.tokenOf(rights)
    return await capabilities.narrow(own, { task, epoch, node, grants })
  }

  async tokenOf(rights: Rights): Promise<Uint8Array> {
    const { clock } = this.#deps
    const capabilities = this.#deps.capabilities()
    const { parent, proof, sandbox } = rights
    if (proof !== null) return proof
    const from = parent === null ? null : await this.tokenOf(parent)
    const kept = this.#kept.get(rights)
    const isFresh = kept !== undefined && clock.now() - kept.at < AUTHORITY_RENEWED_MS
    if (isFresh && kept.from === from) return await kept.token
    const token =
      from === null
        ? capabilities.stock(sandbox.grants)
        : capabilities.narrow(from, { grants: sandbox.grants }) // H1
    this.#kept.set(rights, { token, from, at: clock.now() })
    return await token
  }
}

function rootOf(rights: Rights): Rights {
  return rights.parent === null || rights.proof !== null ? rights : rootOf(rights.parent)
}

function refused(why: string): WeaverError {
  return new WeaverError('GOVERNANCE_CAPABILITY_INVALID', `Cannot hand on authority: ${why}`, {
    retry: 'never'
  })
}
