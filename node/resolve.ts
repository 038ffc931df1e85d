// What users call things by: a node's name or id prefix; a pid, `pid@node` or a process's name.

import { WeaverError } from '../core/index.ts'
import type { NodeId } from '../core/index.ts'
import type { Mesh } from '../mesh/index.ts'
import type { ProcessRow } from './api/index.ts'
import type { ProcessTable } from './process-table.ts'

/** A process somewhere in the mesh. */
export interface ProcessPlace {
  readonly node: NodeId
  readonly row: ProcessRow
}

/** @throws WeaverError `NODE_NOT_FOUND` or whatever the mesh says of an ambiguous prefix */
export function resolveNode(mesh: Mesh, text: string): NodeId {
  if (text === mesh.name) return mesh.nodeId
  const member = mesh.member(text)
  if (member !== null) return member.nodeId
  const names = mesh.peers().map((peer) => peer.name)
  throw new WeaverError(
    'NODE_NOT_FOUND',
    `Cannot find node '${text.slice(0, 64)}': members are ${names.slice(0, 20).join(', ')}`,
    { detail: { hint: 'weaver mesh peers shows all members' } }
  )
}

/** @throws WeaverError `PROCESS_NOT_LISTED`, `PROCESS_AMBIGUOUS`, `NODE_NOT_FOUND` */
export function resolveProcess(mesh: Mesh, table: ProcessTable, text: string): ProcessPlace {
  const places = candidates(mesh, table, text)
  const live = places.filter(({ row }) => row.state !== 'exited' && row.state !== 'failed')
  // A name may have been used before: what lives now is meant, else what ended last.
  const [place, other] = live.length > 0 ? live : places.slice(-1)
  if (place === undefined) {
    throw new WeaverError(
      'PROCESS_NOT_LISTED',
      `Cannot find process '${text.slice(0, 64)}' on any node that is known here`,
      { detail: { hint: 'weaver kernel ps --all shows all processes' } }
    )
  }
  if (other !== undefined) {
    const names = live.map(({ row }) => row.gpid).join(', ')
    throw new WeaverError(
      'PROCESS_AMBIGUOUS',
      `Cannot tell which process '${text.slice(0, 64)}' is: it may be ${names}`,
      { detail: { hint: `name one by its id, for example ${place.row.gpid}` } }
    )
  }
  return place
}

function candidates(mesh: Mesh, table: ProcessTable, text: string): readonly ProcessPlace[] {
  const [, pid, at] = /^(\d{1,15})(?:@(.+))?$/.exec(text) ?? []
  if (pid !== undefined) {
    const node = at === undefined ? mesh.nodeId : resolveNode(mesh, at)
    return onNode(table, node).filter(({ row }) => row.pid === Number(pid))
  }
  const own = onNode(table, mesh.nodeId).filter(({ row }) => row.name === text)
  if (own.some(({ row }) => row.state === 'running')) return own
  const others = mesh
    .peers()
    .map((peer) => peer.nodeId)
    .filter((node) => node !== mesh.nodeId)
    .flatMap((node) => onNode(table, node))
    .filter(({ row }) => row.name === text)
  return [...own, ...others]
}

function onNode(table: ProcessTable, node: NodeId): readonly ProcessPlace[] {
  return table.of(node).map((row) => ({ node, row }))
}
