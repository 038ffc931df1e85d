// The parts that change the membership, put together.

import type {
  Clock,
  Entropy,
  KeyValueStore,
  Logger,
  MeshId,
  NodeId,
  Signer
} from '../../core/index.ts'
import { Outbox } from '../outbox/outbox.ts'
import { MESH_SERVICE } from '../peers/pulse.ts'
import type { MeshLedger } from '../ports.ts'
import type { RpcClient } from '../rpc/index.ts'
import type { Tasks } from '../tasks.ts'
import { MembershipActs, STATEMENT_TOPIC } from './acts.ts'
import { Council } from './council.ts'
import type { Roster } from './roster.ts'

export interface GovernmentDeps {
  readonly signer: Signer
  readonly clock: Clock
  readonly entropy: Entropy
  readonly store: KeyValueStore
  readonly ledger: MeshLedger
  readonly log: Logger
  readonly tasks: Tasks
  readonly rpc: RpcClient
  readonly roster: Roster
  readonly isConnected: (peer: NodeId) => boolean
  readonly found: () => Promise<MeshId>
}

export interface Government {
  readonly council: Council
  readonly outbox: Outbox
  readonly acts: MembershipActs
}

export function createGovernment(deps: GovernmentDeps): Government {
  const { roster, rpc, signer, clock, found } = deps
  const receive = async (_peer: NodeId, topic: string, body: Uint8Array): Promise<void> => {
    if (topic === STATEMENT_TOPIC) await roster.absorb([body])
  }
  const outbox = new Outbox({ ...deps, receive }, { service: MESH_SERVICE })
  const council = new Council({
    ...deps,
    tell: (node, { bytes }) => rpc.notify(node, MESH_SERVICE, 'statement', { statement: bytes })
  })
  const self = signer.nodeId
  return {
    council,
    outbox,
    acts: new MembershipActs({ self, clock, roster, council, outbox, found })
  }
}
