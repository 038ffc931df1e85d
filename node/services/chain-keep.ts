// Choosing how much of the lanes of others to keep; giving back the room of the rest; fetching what was left out.

import type { LaneRepair } from '../../chain/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { ChainKeep, ChainKept } from '../api/index.ts'
import { repairSource } from '../chain-repair.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'

/** @throws WeaverError `NODE_NOT_FOUND`, `GOVERNANCE_DENIED`; whatever the disk throws: the next start goes on */
export async function keepLanes(rooms: Rooms, wish: ChainKeep): Promise<ChainKept> {
  const { gate, mesh, self, kept, chain } = rooms
  const lanes = wish.lanes === null ? null : wish.lanes.map((text) => resolveNode(mesh, text))
  const { rest = 'none' } = wish
  const resource = `node:${self}`
  const payload = { lanes: lanes === null ? null : [...lanes], rest }
  await gate.authorizeWith(
    { principal: { kind: 'owner' }, action: 'chain.keep', resource, context: {} },
    [{ kind: 'chain.keep-chosen', actor: 'user:local', subject: resource, payload }]
  )
  await kept.choose({ lanes, rest }, held(rooms))
  const freedBytes = await freeLanes(rooms)
  const lacking = chain.status().filter(({ keeping }) => keeping === 'filling')
  for (const { lane } of lacking) {
    await noteFilled(rooms, await chain.repair(repairSource(rooms), { lane }))
  }
  const views = chain.status().map(({ lane, keeping }) => ({ name: mesh.nameOf(lane), keeping }))
  const named = (...kinds: readonly string[]): readonly string[] =>
    views.filter(({ keeping }) => kinds.includes(keeping)).map(({ name }) => name)
  return {
    lanes: lanes === null ? null : lanes.map((lane) => mesh.nameOf(lane)),
    rest,
    headersOnly: named('headers'),
    lacking: named('filling'),
    freedBytes
  }
}

/** Goes on where a crash, or a full disk, had stopped. */
export async function resumeFreeing(rooms: Rooms): Promise<void> {
  try {
    await freeLanes(rooms)
  } catch (error) {
    rooms.log.warn('Cannot free what is not to be kept of lanes: the next start tries again', {
      error: String(error)
    })
  }
}

/** Gives back what is not to be kept. Resolves to the bytes that are free again. */
async function freeLanes(rooms: Rooms): Promise<number> {
  const { chain, kept } = rooms
  let bytes = 0
  for (const lane of kept.toFree(held(rooms))) {
    bytes += await chain.free(lane)
    await kept.freed(lane)
  }
  return bytes
}

/** Takes note of the lanes whose payloads are all here again. */
export async function noteFilled({ kept }: Rooms, repairs: readonly LaneRepair[]): Promise<void> {
  for (const { lane, missing } of repairs) if (missing.length === 0) await kept.filled(lane)
}

function held({ chain }: Rooms): readonly NodeId[] {
  return chain.heads().map(({ lane }) => lane)
}
