// Choosing which lanes of others to keep.

import type { NodeId } from '../../core/index.ts'
import type { ChainKeep } from '../api/index.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'

/** Null keeps all lanes; an empty list, only this node's own. @throws WeaverError `NODE_NOT_FOUND`, `GOVERNANCE_DENIED` */
export async function keepLanes(
  rooms: Rooms,
  wanted: readonly string[] | null
): Promise<ChainKeep> {
  const { gate, mesh, self, kept } = rooms
  const lanes = wanted === null ? null : wanted.map((text) => resolveNode(mesh, text))
  const resource = `node:${self}`
  const payload = { lanes: lanes === null ? null : [...lanes] }
  await gate.authorizeWith(
    { principal: { kind: 'owner' }, action: 'chain.keep', resource, context: {} },
    [{ kind: 'chain.keep-chosen', actor: 'user:local', subject: resource, payload }]
  )
  await kept.choose(lanes)
  return keepView(rooms, lanes)
}

function keepView({ mesh }: Rooms, lanes: readonly NodeId[] | null): ChainKeep {
  return { lanes: lanes === null ? null : lanes.map((lane) => mesh.nameOf(lane)) }
}
