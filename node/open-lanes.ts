// Opens the lanes of this home, and tells chain/ what the mesh knows of their owners.

import { LaneTruncatedError, openChain } from '../chain/index.ts'
import type { Chain, ChainDeps } from '../chain/index.ts'
import type { KeyValueStore, NodeId } from '../core/index.ts'
import type { Mesh } from '../mesh/index.ts'
import { startedMark } from './chain-repair.ts'
import type { KeptLanes, LaneOwners } from './kept-lanes.ts'
import type { KernelOptions } from './rooms.ts'

interface OpenLanesDeps extends Omit<ChainDeps, 'disk' | 'checker'> {
  readonly laneDisk: ChainDeps['disk']
  readonly checker?: ChainDeps['checker'] | undefined
  readonly store: KeyValueStore
  readonly isRepeatable?: boolean
}

/** @throws LaneTruncatedError when the own lane has gone though this home has written one */
export async function openLanes(
  deps: OpenLanesDeps,
  options: Pick<KernelOptions, 'repair'>,
  { kept, mesh }: { readonly kept: KeptLanes; readonly mesh: () => Mesh }
): Promise<Chain> {
  const { clock, signer, laneDisk, checker } = deps
  const isRepair = (options.repair ?? null) !== null
  const log = deps.log.child({ room: 'chain' })
  const chain = await openChain(
    { disk: laneDisk, clock, signer, log, ...(checker === undefined ? {} : { checker }) },
    {
      isRepair,
      isRepeatable: deps.isRepeatable === true,
      mayRedact: (redactor, lane) =>
        mesh().member(redactor)?.role === 'admin' || mesh().heirs.of(lane) === redactor,
      predecessorOf: (lane) => mesh().heirs.before(lane)?.node ?? null,
      keeping: (lane) => kept.keeping(lane)
    }
  )
  const hasLane = chain.heads().some(({ lane }) => lane === signer.nodeId)
  if (hasLane || isRepair || !(await startedMark.isSet(deps.store))) return chain
  await chain.stop()
  throw new LaneTruncatedError(signer.nodeId, 0, 1)
}

export function laneOwners(mesh: Mesh): LaneOwners {
  return {
    present: (lane: NodeId) => mesh.heirs.of(lane) ?? lane,
    isAdmin: (node: NodeId) => mesh.member(node)?.role === 'admin'
  }
}
