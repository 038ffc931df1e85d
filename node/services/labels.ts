// Labels that an admin gives to any node of the mesh, from anywhere: asked of the gate first, recorded, and
// written then. The node itself takes them on when it hears of them.

import { WeaverError } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { Labels, NodeLabels } from '../api/index.ts'
import {
  checkChange,
  givenLabels,
  LABELS_DOCUMENT,
  labelViews,
  rowKeysOf,
  rowsOf
} from '../labels.ts'
import type { LabelChange } from '../labels.ts'
import { LABELS_WAIT_MS } from '../limits.ts'
import { NODE_KEY, NODE_SECTION, parseNodeInfo } from '../node-info.ts'
import type { NodeInfo } from '../node-info.ts'
import { ownersOf } from '../own-labels.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type LabelOperations = Pick<KernelService, 'nodeLabels' | 'labelNode'>

export function labelOperations(rooms: Rooms): LabelOperations {
  const { mesh, gate, ledger, self } = rooms
  return {
    nodeLabels: (text) => nodeLabels(rooms, resolveNode(mesh, text)),
    labelNode: async (text, change, signal) => {
      const node = resolveNode(mesh, text)
      checkChange(change)
      const { labels, removed } = change
      const subject = `node:${node}`
      await gate.authorize({
        principal: { kind: 'owner' },
        action: 'mesh.label',
        resource: subject,
        context: {
          labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`),
          removed: [...removed]
        }
      })
      checkAdmin(rooms)
      checkRemoved(rooms, node, removed)
      const owners = ownersOf(mesh, node)
      const rows = rowsOf(change, { owners, given: givenTo(rooms, node) })
      const payload = { node, labels: { ...labels }, removed: [...removed] }
      await ledger.record([{ kind: 'mesh.labelled', actor: `node:${self}`, subject, payload }])
      // From here it is on record: a crash before the next line leaves a record of labels that nobody has.
      await mesh.shared.edit(LABELS_DOCUMENT, rows)
      await taken(rooms, node, { change, signal })
      return nodeLabels(rooms, node)
    }
  }
}

/**
 * Takes the labels of a node away that was evicted. Nobody reads those: where this fails, or nobody does it,
 * they only take room.
 */
export async function forgetLabels(rooms: Rooms, node: NodeId): Promise<void> {
  const { mesh, log } = rooms
  const keys = rowKeysOf(mesh.shared.of(LABELS_DOCUMENT), ownersOf(mesh, node))
  if (keys.length === 0) return
  try {
    await mesh.shared.edit(LABELS_DOCUMENT, new Map(keys.map((key) => [key, null])))
  } catch (error) {
    log.warn('could not remove the labels of a node that is out', { why: String(error) })
  }
}

function nodeLabels(rooms: Rooms, node: NodeId): NodeLabels {
  return {
    nodeId: node,
    name: rooms.mesh.nameOf(node),
    labels: labelViews(saidBy(rooms, node), givenTo(rooms, node))
  }
}

function givenTo({ mesh }: Pick<Rooms, 'mesh'>, node: NodeId): Labels {
  return givenLabels(mesh.shared.of(LABELS_DOCUMENT), ownersOf(mesh, node))
}

/** As it is now: the directory hears of this node's own row a little later. */
function saidBy({ mesh }: Pick<Rooms, 'mesh'>, node: NodeId): NodeInfo | null {
  return parseNodeInfo(mesh.rows.of(node)[NODE_SECTION]?.[NODE_KEY])
}

/** Before anything is recorded: what this node may not write would be on record and never be. */
function checkAdmin({ mesh, self }: Rooms): void {
  const members = mesh.members()
  if (members.some(({ nodeId, role }) => nodeId === self && role === 'admin')) return
  const names = members.flatMap(({ name, role }) => (role === 'admin' ? name : []))
  throw new WeaverError(
    'MESH_NOT_ADMIN',
    'Cannot give labels to nodes: this node is no admin of the mesh',
    { detail: { hint: `run it on ${names.join(' or ')}` } }
  )
}

function checkRemoved(rooms: Rooms, node: NodeId, removed: readonly string[]): void {
  const views = nodeLabels(rooms, node).labels
  for (const key of removed) {
    const view = views.find((each) => each.key === key)
    if (view?.from !== 'start') continue
    const name = rooms.mesh.nameOf(node)
    throw new WeaverError(
      'NODE_LABEL_OF_START',
      `Cannot take label '${key}' away: ${name} was started with --label ${key}=${view.value}`,
      { detail: { hint: `give it another value: weaver mesh label ${name} ${key}=VALUE` } }
    )
  }
}

/** Waits a moment for the node to say that it has them, so that what comes next finds it labelled. */
async function taken(
  rooms: Rooms,
  node: NodeId,
  { change, signal }: { readonly change: LabelChange; readonly signal: AbortSignal }
): Promise<void> {
  const { mesh, directory, clock, self } = rooms
  if (node !== self && mesh.peer(node)?.isConnected !== true) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const changed = new Set([...Object.keys(change.labels), ...change.removed])
  const look = (): void => {
    const views = labelViews(directory.infoOf(node), givenTo(rooms, node))
    if (views.every(({ key, state }) => !changed.has(key) || state === 'in-force')) resolve()
  }
  const end = directory.onChange(look)
  look()
  const timer = new AbortController()
  try {
    await Promise.race([
      promise,
      clock.sleep(LABELS_WAIT_MS, AbortSignal.any([timer.signal, signal]))
    ])
  } finally {
    timer.abort()
    end()
  }
}
