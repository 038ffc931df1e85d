// What users call things by: a node's name or id prefix; a pid, `pid@node` or a process's name.

import { entryId } from '../chain/index.ts'
import type { Chain, EntryRef } from '../chain/index.ts'
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

/** What a lane is called where an entry of it is to be found again by that: an older key has no name of its own. */
export function laneName(mesh: Mesh, lane: NodeId): string {
  const name = mesh.nameOf(lane)
  const isTaken =
    lane !== mesh.nodeId &&
    mesh.members().some((each) => each.name === name && each.nodeId !== lane)
  return isTaken ? lane.slice(0, 20) : name
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

/**
 * An entry by `HEIGHT.INDEX@NODE`, the node by its name, its id or a prefix of that, members of before included.
 * @throws WeaverError `CHAIN_ENTRY_INVALID`, `NODE_NOT_FOUND`
 */
export function resolveEntry(
  { mesh, chain }: { readonly mesh: Mesh; readonly chain: Chain },
  text: string
): EntryRef {
  const [, place, node] = /^([1-9]\d{0,15}\.(?:0|[1-9]\d{0,3}))@(.+)$/.exec(text) ?? []
  if (place === undefined || node === undefined) {
    throw new WeaverError(
      'CHAIN_ENTRY_INVALID',
      `Cannot read '${text.slice(0, 96)}' as an entry: write HEIGHT.INDEX@NODE`,
      { detail: { hint: 'for example 10.0@server; weaver chain log shows both' } }
    )
  }
  // The lane of a member that has left, or of an older key, is still held under its id.
  const held = chain.status().filter(({ lane }) => node.length >= 12 && lane.startsWith(node))
  const [only] = held.length === 1 ? held : []
  return entryId(`${place}@${only?.lane ?? resolveNode(mesh, node)}`)
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
