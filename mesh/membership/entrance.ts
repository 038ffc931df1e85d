// How this node comes into a mesh: by founding one, or by an invite. One at a time, recorded first.

import type { Clock, Entropy, MeshId, NodeId, Signer } from '../../core/index.ts'
import { MeshError } from '../errors.ts'
import type { Connection, MeshLedger, Network } from '../ports.ts'
import { Serial } from '../tasks.ts'
import type { Door } from './door.ts'
import type { Member } from './fold.ts'
import { parseInvite } from './invite-line.ts'
import type { InviteLine } from './invite-line.ts'
import { waysIn } from './invite-ways.ts'
import { requestAdmission } from './joiner.ts'
import type { Admission } from './joiner.ts'
import type { Roster } from './roster.ts'
import { foundedMesh, NONCE_BYTES, signStatement, statementSummary } from './statement.ts'

export interface EntranceDeps {
  readonly network: Network
  readonly clock: Clock
  readonly entropy: Entropy
  readonly signer: Signer
  readonly ledger: MeshLedger
  readonly roster: Roster
  readonly door: Door
  /** Remembers where nodes may be found, the later word last; durable once resolved. */
  readonly remember: (known: readonly ReadonlyMap<string, readonly string[]>[]) => Promise<void>
}

export interface JoinOutcome {
  /** `already`: this node was a member of that mesh before, and nothing was changed. */
  readonly kind: 'joined' | 'already'
  readonly meshId: MeshId
  readonly member: Member
}

export class Entrance {
  readonly #deps: EntranceDeps
  readonly #name: string
  readonly #turn = new Serial()
  /** The strangers that may be dialled: the inviter, and members on the way to it, while we join. */
  targets: ReadonlySet<string> = new Set()
  /** What a join has left open, until the first dial to the inviter would open another. */
  #open: Connection | null = null

  constructor(deps: EntranceDeps, options: { readonly name: string }) {
    this.#deps = deps
    this.#name = options.name
  }

  /** @throws whatever the ledger or the store rejects with; then there is no mesh */
  found(): Promise<MeshId> {
    return this.#turn.run(async () => {
      const { signer, clock, entropy, ledger, roster } = this.#deps
      if (roster.membership !== null) return roster.membership.meshId
      const statement = signStatement(signer, {
        kind: 'genesis',
        node: signer.nodeId,
        name: this.#name,
        role: 'admin',
        nonce: entropy.bytes(NONCE_BYTES),
        at: clock.wall()
      })
      const mesh = foundedMesh(statement)
      await ledger.record('mesh.created', `mesh:${mesh}`, statementSummary(statement))
      await roster.enter(mesh, [statement])
      return mesh
    })
  }

  async join(line: string, signal: AbortSignal): Promise<JoinOutcome> {
    const invite = parseInvite(line)
    return this.#turn.run(async () => {
      const { roster, signer } = this.#deps
      const own = roster.member(signer.nodeId)
      if (own !== null && roster.membership?.meshId === invite.meshId) {
        return { kind: 'already', meshId: invite.meshId, member: own }
      }
      this.#checkMayLeave(invite)
      const { gateways } = waysIn(invite.addresses)
      this.targets = new Set([invite.inviter, ...gateways.map((each) => each.nodeId)])
      try {
        return await this.#enter(invite, signal)
      } finally {
        this.targets = new Set()
      }
    })
  }

  /** Who has just admitted us, and is to be greeted before anybody else; null once that has begun. */
  get admittedBy(): NodeId | null {
    return this.#open?.peer ?? null
  }

  /** The connection over which `peer` has just admitted us, once: to be greeted on by the caller. */
  take(peer: NodeId): Connection | null {
    const connection = this.#open
    if (connection?.peer !== peer) return null
    this.#open = null
    return connection
  }

  async #enter(invite: InviteLine, signal: AbortSignal): Promise<JoinOutcome> {
    const admission = await requestAdmission(this.#deps, invite, this.#name, signal)
    this.#open = admission.connection
    try {
      return await this.#admitted(invite, admission)
    } finally {
      void this.take(invite.inviter)?.close() // Nobody has taken it.
    }
  }

  async #admitted(invite: InviteLine, admission: Admission): Promise<JoinOutcome> {
    const { ledger, roster, door, signer, remember } = this.#deps
    const { meshId, inviter, inviteId } = invite
    this.#checkMayLeave(invite) // Somebody may have joined us meanwhile.
    const recorded = ledger.record('mesh.joined', `mesh:${meshId}`, {
      mesh: meshId,
      node: signer.nodeId,
      name: this.#name,
      inviter,
      invite: inviteId
    })
    // Before the membership: a crash between the two must not leave a member that can reach nobody.
    const { direct, gateways } = waysIn(invite.addresses)
    const named = gateways.map(({ nodeId, addresses }) => [nodeId, addresses] as const)
    const invited = new Map<string, readonly string[]>([[inviter, direct], ...named])
    await Promise.all([recorded, remember([invited, admission.addresses])])
    door.forgetAll()
    await roster.enter(meshId, admission.statements)
    // From here this node is a member of the new mesh, and the old one is forgotten.
    const member = roster.member(signer.nodeId)
    if (member === null) throw new MeshError('MESH_ANSWER_INVALID', 'Cannot join: not admitted')
    return { kind: 'joined', meshId, member }
  }

  #checkMayLeave(invite: InviteLine): void {
    const { membership } = this.#deps.roster
    // Alone, or locked out: there is nobody to leave.
    if (membership === null || membership.members.size === 1) return
    if (!membership.members.has(this.#deps.signer.nodeId)) return
    throw new MeshError(
      'MESH_ALREADY_MEMBER',
      `Cannot join mesh ${invite.meshId.slice(0, 8)}: this node is in mesh ` +
        `${membership.meshId.slice(0, 8)} with ${membership.members.size - 1} others; ` +
        'use a new WEAVER_HOME for a second mesh'
    )
  }
}
