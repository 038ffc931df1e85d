// What the owner of an admin's home does to the membership: asked of the gate first, said then.

import type { ActOutcome, Mesh, Pending } from '../../mesh/index.ts'
import type { Action } from '../../governance/index.ts'
import { unreachable } from '../../core/index.ts'
import type { Cbor, NodeId } from '../../core/index.ts'
import type { MembershipAct, PendingChange } from '../api/index.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'
import { forgetLabels } from './labels.ts'

type MembershipOperations = Pick<
  KernelService,
  'evictNode' | 'setNodeRole' | 'setSignatures' | 'pendingChanges' | 'approveChanges' | 'leaveMesh'
>

export function membershipOperations(rooms: Rooms): MembershipOperations {
  const { mesh, gate } = rooms
  const { acts } = mesh
  const ask = async (
    action: Action,
    resource: string,
    context: { readonly [key: string]: Cbor } = {}
  ): Promise<void> => {
    await gate.authorize({ principal: { kind: 'owner' }, action, resource, context })
  }
  const ofMesh = (): string => `mesh:${mesh.meshId() ?? 'none'}`
  return {
    evictNode: async (text) => {
      const node = resolveNode(mesh, text)
      const nameOf = namesNow(mesh)
      await ask('mesh.evict', `node:${node}`)
      const outcome = await acts.evict(node)
      if (outcome.isInForce) await forgetLabels(rooms, node)
      return actView(outcome, nameOf)
    },
    setNodeRole: async (text, role) => {
      const node = resolveNode(mesh, text)
      await ask('mesh.role', `node:${node}`, { role })
      return actView(await acts.setRole(node, role), namesNow(mesh))
    },
    setSignatures: async (signatures) => {
      await ask('mesh.signatures', ofMesh(), { signatures })
      return actView(await acts.setSignatures(signatures), namesNow(mesh))
    },
    pendingChanges: () => acts.pending().map((pending) => pendingView(mesh, pending)),
    approveChanges: async (statement) => {
      const waiting = new Map(acts.pending().map((each) => [each.statement.id, each]))
      await ask('mesh.approve', ofMesh(), { statement })
      const approved = await acts.approve(statement)
      for (const { body } of approved) {
        if (body.kind !== 'revoke' || mesh.isMember(body.node)) continue
        await forgetLabels(rooms, body.node)
      }
      return approved.flatMap(({ id }) => {
        const pending = waiting.get(id)
        return pending === undefined ? [] : [pendingView(mesh, pending)]
      })
    },
    leaveMesh: async (force) => {
      const nameOf = namesNow(mesh) // Afterwards there is nobody left to have one.
      await ask('mesh.leave', ofMesh(), { force })
      return actView(await acts.leave(force), nameOf)
    }
  }
}

function namesNow(mesh: Mesh): (node: NodeId) => string {
  const names = new Map(mesh.members().map(({ nodeId, name }) => [nodeId, name]))
  return (node) => names.get(node) ?? mesh.nameOf(node)
}

function actView(outcome: ActOutcome, nameOf: (node: NodeId) => string): MembershipAct {
  const { statement, isInForce, signers, needed, confirmed, outstanding } = outcome
  return {
    statement,
    inForce: isInForce,
    signers: signers.map(nameOf),
    needed,
    confirmed: confirmed.map(nameOf).toSorted(),
    outstanding: outstanding.map(nameOf).toSorted()
  }
}

function pendingView(mesh: Mesh, { statement, signers, needed }: Pending): PendingChange {
  const nameOf = namesNow(mesh)
  const { body, by, id } = statement
  const what = (): string => {
    switch (body.kind) {
      case 'admit':
        return `admit ${body.name} as ${body.role}`
      case 'revoke':
        return `evict ${nameOf(body.node)}`
      case 'role':
        return `make ${nameOf(body.node)} ${body.role}`
      case 'quorum':
        return `ask for the signatures of ${body.signatures} admins`
      case 'succeed':
        return `hand over to ${body.node}`
      case 'leave':
      case 'approve':
      case 'genesis':
        return body.kind
      default:
        return unreachable(body)
    }
  }
  return {
    statement: id,
    what: `${nameOf(by)}: ${what()}`,
    signers: signers.map(nameOf).toSorted(),
    needed
  }
}
