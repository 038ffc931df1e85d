// Approvals for the control API, and for members: who may decide is asked of the gate of both nodes.

import { WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import { principalText } from '../../governance/index.ts'
import type { ApprovalView, EntryDraft, GateRequest, Principal } from '../../governance/index.ts'
import type { Approval } from '../api/index.ts'
import { decideRemotely, remoteApprovals } from '../remote/approvals.ts'
import type { ApprovalsServer } from '../remote/approvals.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type ApprovalOperations = Pick<KernelService, 'approvals' | 'approval' | 'decideApproval'>

type Parts = Pick<Rooms, 'approvals' | 'gate' | 'policies' | 'self' | 'mesh'>

export function approvalOperations(rooms: Rooms): ApprovalOperations {
  const { mesh, self, approvals } = rooms
  const all = async (): Promise<readonly Approval[]> => {
    const others = mesh.peers().filter((peer) => peer.isConnected && peer.nodeId !== self)
    const theirs = await Promise.all(
      others.map(async ({ nodeId }) => {
        // A member that does not answer in time, or knows no approvals, shows none.
        const views = await remoteApprovals(mesh.rpc, nodeId).catch(() => [])
        return views.map((view) => approvalView(mesh.nameOf(nodeId), view))
      })
    )
    const own = approvals.list().map((view) => approvalView(mesh.name, view))
    return [...own, ...theirs.flat()]
  }
  const one = async (text: string): Promise<{ readonly node: NodeId; readonly view: Approval }> => {
    const { number, node } = placeOf(rooms, text)
    const views = node === self ? approvals.list() : await remoteApprovals(mesh.rpc, node)
    const view = views.find((each) => each.number === number)
    if (view !== undefined) return { node, view: approvalView(mesh.nameOf(node), view) }
    throw new WeaverError(
      'NODE_APPROVAL_NOT_FOUND',
      `Cannot find approval '${text.slice(0, 64)}' on ${mesh.nameOf(node)}`,
      { detail: { hint: 'weaver approvals list shows those that you may decide' } }
    )
  }
  return {
    approvals: all,
    approval: async (text) => (await one(text)).view,
    decideApproval: async (text, { approve, hash }) => {
      const { node, view } = await one(text)
      const { number } = placeOf(rooms, text)
      const owner = { kind: 'owner' } as const
      if (node === self) {
        const decided = await decide(rooms, owner, number, { approve, hash })
        return approvalView(mesh.name, decided)
      }
      // What the approver saw is what is decided, whatever the other node shows meanwhile.
      const seen = hash ?? view.hash
      const payload = { outcome: approve ? 'approved' : 'denied', hash: seen }
      const subject = `approval:${view.id}`
      const actor = principalText(owner)
      await rooms.gate.authorizeWith(decisionRequest(owner, view.id, view), [
        { kind: 'approval.decided', actor, subject, payload }
      ])
      const decided = await decideRemotely(mesh.rpc, node, { number, approve, hash: seen })
      return approvalView(mesh.nameOf(node), decided)
    }
  }
}

/** What this node answers to members. */
export function approvalsServer(rooms: () => Parts): ApprovalsServer {
  return {
    listFor: (peer) => {
      const { policies, approvals } = rooms()
      if (policies === null || !policies.policy.isLoaded()) return []
      return approvals.list().filter((view) => {
        const request = decisionRequest(memberOf(peer), view.reference, view)
        return policies.policy.decide(request).verdict === 'allow'
      })
    },
    decideFor: (peer, number, decided) => decide(rooms(), memberOf(peer), number, decided)
  }
}

function memberOf(peer: NodeId): Principal {
  return { kind: 'member', nodeId: peer }
}

/** The one place where an approval is decided: asked of the gate, recorded, then done. */
async function decide(
  { approvals, gate }: Parts,
  principal: Principal,
  number: number,
  decided: { readonly approve: boolean; readonly hash: string | null }
): Promise<ApprovalView> {
  const by = principalText(principal)
  const view = approvals.show(number)
  const entry: EntryDraft = approvals.decision(number, { ...decided, by })
  const asked = view ?? { action: '', principal: '' }
  await gate.authorizeWith(
    decisionRequest(principal, entry.subject.slice('approval:'.length), asked),
    [entry]
  )
  return approvals.settle(number, decided.approve, by)
}

function decisionRequest(
  principal: Principal,
  reference: string,
  asked: { readonly action: string; readonly principal: string }
): GateRequest {
  const isOwnRequest = asked.principal === principalText(principal)
  return {
    principal,
    action: 'approval.decide',
    resource: `approval:${reference}`,
    context: { action: asked.action, requester: asked.principal, isOwnRequest }
  }
}

function placeOf(rooms: Rooms, text: string): { readonly number: number; readonly node: NodeId } {
  const [, digits, at] = /^(\d{1,15})(?:@(.+))?$/.exec(text) ?? []
  if (digits === undefined) {
    throw new WeaverError(
      'NODE_APPROVAL_NOT_FOUND',
      `Cannot use '${text.slice(0, 64)}' as an approval: write its number, or NUMBER@NODE`,
      { detail: { hint: 'weaver approvals list shows them' } }
    )
  }
  const node = at === undefined ? rooms.self : resolveNode(rooms.mesh, at)
  return { number: Number(digits), node }
}

function approvalView(
  node: string,
  { reference: _reference, number, ...view }: ApprovalView
): Approval {
  return { ...view, id: `${number}@${node}`, node }
}
