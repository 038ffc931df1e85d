// The gate and what stands behind it, put together: policies, facts, approvals.

import type { Clock, KeyValueStore, Logger, MeshId, NodeId } from '../core/index.ts'
import { Approvals, createGate, Denials, ownerAndMembers } from '../governance/index.ts'
import type { ApprovalsDeps, PolicyFacts } from '../governance/index.ts'
import { createAsking } from './asking/index.ts'
import type { ProcessService, ProcessSockets, Rights } from './asking/index.ts'
import type { NodeLedger } from './ledger.ts'
import { policyFacts } from './policy-facts.ts'
import type { PolicyKeeper } from './policy-keeper.ts'
import { PolicyExchange } from './remote/policy.ts'
import type { Rooms } from './rooms.ts'
import { processService } from './services/process.ts'
import { spawnGate } from './spawn-gate.ts'

export interface GovernedDeps {
  /** Decides every act. Absent: the plain rules that owner and members live by. */
  readonly policies?: (facts: PolicyFacts, meshId: () => MeshId | null) => PolicyKeeper
  /** Looks at a command for an approval. Absent: there is no machine to look at. */
  readonly look?: ApprovalsDeps['look']
  /** On which processes ask this kernel. Absent: none may ask for anything. */
  readonly sockets?: ProcessSockets
}

interface Deps extends GovernedDeps {
  readonly clock: Clock
  readonly store: KeyValueStore
  readonly log: Logger
}

type Governed = Pick<Rooms, 'gate' | 'approvals' | 'denials' | 'facts' | 'policies' | 'asking'>

/** `rooms` is called at decisions only, when all rooms are there. */
export function govern(
  deps: Deps,
  parts: { readonly self: NodeId; readonly ledger: NodeLedger; readonly rooms: () => Rooms }
): Governed {
  const { self, ledger, rooms } = parts
  const { clock, store, look = nothingToSee } = deps
  const facts = policyFacts(rooms)
  const policies = deps.policies?.(facts, () => rooms().mesh.meshId()) ?? null
  const log = deps.log.child({ room: 'governance' })
  const approvals = new Approvals(
    { ledger, store, clock, log, look },
    { self, name: () => rooms().mesh.name }
  )
  const policy = policies?.policy ?? ownerAndMembers
  const denials = new Denials({ ledger, clock, log })
  const serviceOf = (rights: Rights): ProcessService => processService(rooms(), rights)
  const asking = createAsking({ ...deps, rooms, serviceOf }, { self })
  const gate = asking.gate(spawnGate(createGate({ ledger, policy, approvals, denials })))
  return { gate, approvals, denials, facts, policies, asking }
}

/** Null where there is nothing to exchange. */
export function exchangePolicies(
  { policies }: Governed,
  parts: Pick<Rooms, 'mesh' | 'clock' | 'log' | 'gate' | 'ledger'>
): PolicyExchange | null {
  if (policies === null) return null
  const { mesh, clock } = parts
  return new PolicyExchange({
    mesh,
    clock,
    log: parts.log.child({ room: 'governance' }),
    held: () => policies.offered(mesh),
    receive: (bytes) => policies.receive(parts, bytes)
  })
}

async function nothingToSee(): ReturnType<ApprovalsDeps['look']> {
  return { files: [], cwd: null }
}
