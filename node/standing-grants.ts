// What running processes were granted and can still be taken back: their way to the network. A decision counts for
// the moment in which it was made; when the policies change, or a role, it is made again.
//
// Invariants
//   G1. What would be denied now is let out no more, and what it had open has ended, before a change of policy is
//       older than one review. That it was taken back is in the lane.
//   G2. Nothing is ever given by a review: what would need an approval now keeps the one that it was started with.

import type { ProcessHost, SpawnRequest } from '../agents/index.ts'
import { formatGrant } from '../core/index.ts'
import type { Grant, Logger, NodeId, Pid, TaskId } from '../core/index.ts'
import { grantRequest } from '../governance/index.ts'
import type { Decision, GateLedger, GateRequest, Principal } from '../governance/index.ts'
import type { Mesh } from '../mesh/index.ts'
import { principalOf } from './agent-gate.ts'
import type { PolicyKeeper } from './policy-keeper.ts'

/** The ways out of this node's processes: see node/egress. */
export interface WaysOut {
  granted(): ReadonlyMap<Pid, readonly Grant[]>
  narrow(pid: Pid, kept: (grant: Grant) => boolean): boolean
}

export interface StandingGrantsDeps {
  readonly ledger: GateLedger
  readonly log: Logger
  readonly ways: WaysOut | null
  readonly policy: { isLoaded(): boolean; decide(request: GateRequest): Decision } | null
  /** The process of this node that submitted a task. */
  readonly submitterOf: (taskId: TaskId) => Pid | null
}

export class StandingGrants {
  readonly #deps: StandingGrantsDeps
  readonly #self: NodeId
  readonly #holders = new Map<Pid, readonly Principal[]>()
  #reviewing: Promise<void> = Promise.resolve()
  #isAsked = false

  constructor(deps: StandingGrantsDeps, options: { readonly self: NodeId }) {
    this.#deps = deps
    this.#self = options.self
  }

  /** The same host; for whom each of its processes runs is remembered as long as it does. */
  remembering(processes: ProcessHost): ProcessHost {
    return {
      ...(processes.holdOutput === undefined
        ? {}
        : { holdOutput: (pid) => processes.holdOutput?.(pid) ?? ((): void => undefined) }),
      spawn: async (request) => {
        const { pid } = request
        this.#holders.set(pid, this.#holdersOf(request))
        const forget = (): void => void this.#holders.delete(pid)
        try {
          const running = await processes.spawn(request)
          // Policies may have changed between its permission and its start.
          this.#ask(() => this.#reviewOne(pid))
          void running.exited.then(forget)
          return running
        } catch (error) {
          forget()
          throw error
        }
      }
    }
  }

  /** Asks again for all that is in use. Those who call while it goes on get one more, together. */
  review(): void {
    if (this.#isAsked || this.#deps.ways === null) return
    this.#isAsked = true
    this.#ask(async () => {
      this.#isAsked = false
      for (const pid of this.#deps.ways?.granted().keys() ?? []) await this.#reviewOne(pid)
    })
  }

  /** Resolves when the reviews that were asked for are done; never rejects. */
  reviewed(): Promise<void> {
    return this.#reviewing
  }

  #ask(look: () => Promise<void>): void {
    this.#reviewing = this.#reviewing.then(look)
  }

  /** Never rejects. */
  async #reviewOne(pid: Pid): Promise<void> {
    const { ways, policy } = this.#deps
    const grants = ways?.granted().get(pid) ?? []
    const holders = this.#holders.get(pid)
    // Without a holder it has ended, or did not start.
    if (ways === null || policy?.isLoaded() !== true || holders === undefined) return
    const taken = new Map<Grant, Decision>()
    for (const [holder, grant] of holders.flatMap((each) =>
      grants.map((it) => [each, it] as const)
    )) {
      const decision = decided(policy, grantRequest(holder, grant))
      if (decision.verdict === 'deny') taken.set(grant, decision)
    }
    if (taken.size > 0) await this.#take(ways, pid, taken)
  }

  async #take(ways: WaysOut, pid: Pid, taken: ReadonlyMap<Grant, Decision>): Promise<void> {
    // First of all: what cannot be recorded is taken back all the same (G1).
    ways.narrow(pid, (grant) => !taken.has(grant))
    const entries = [...taken].map(([grant, { rule }]) => ({
      kind: 'grant.revoked',
      actor: `node:${this.#self}`,
      subject: `process:${pid}`,
      payload: { grant: formatGrant(grant), rule }
    }))
    try {
      await this.#deps.ledger.record(entries)
    } catch (error) {
      this.#deps.log.error('Cannot record what was taken back from a process', {
        pid,
        why: String(error)
      })
    }
  }

  /** All who were asked for when it was started; each of them must still be let. */
  #holdersOf({ pid, requester, secretsOf: run, sandbox }: SpawnRequest): readonly Principal[] {
    const holders: Principal[] = []
    if (requester !== undefined) holders.push(principalOf(requester))
    else if (run === undefined || run.node === this.#self) holders.push({ kind: 'owner' })
    else holders.push({ kind: 'member', nodeId: run.node })
    const submitter = run?.node === this.#self ? this.#deps.submitterOf(run.taskId) : null
    if (submitter !== null) holders.push({ kind: 'process', pid: submitter })
    const { role } = sandbox
    if (role !== undefined) holders.push({ kind: 'agent', name: run?.taskId ?? String(pid), role })
    return holders
  }
}

/** Asked for anew when the policies, or somebody's role, have changed. */
export function standingGrants(
  { log, waysOut }: { readonly log: Logger; readonly waysOut?: WaysOut },
  parts: Pick<StandingGrantsDeps, 'ledger' | 'submitterOf'> & {
    readonly self: NodeId
    readonly mesh: Pick<Mesh, 'members' | 'onPeerChange'>
    readonly policies: PolicyKeeper | null
  }
): StandingGrants {
  const { self, mesh, ledger, submitterOf } = parts
  const policy = parts.policies?.policy ?? null
  const standing = new StandingGrants(
    { ledger, submitterOf, log: log.child({ room: 'governance' }), ways: waysOut ?? null, policy },
    { self }
  )
  policy?.onReplaced(() => standing.review())
  let roles: string | null = null
  mesh.onPeerChange(() => {
    const now = mesh
      .members()
      .map(({ role }) => role)
      .join(' ')
    if (roles !== null && now !== roles) standing.review()
    roles = now
  })
  return standing
}

/** A policy that fails denies. */
function decided(
  policy: { decide(request: GateRequest): Decision },
  request: GateRequest
): Decision {
  try {
    return policy.decide(request)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { verdict: 'deny', rule: 'gate.policy-error', hint: why }
  }
}
