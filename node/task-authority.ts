// What a task may do on another node travels with its offer as a capability, and is checked there before
// anything is decided: the executor's own policy then says what of it is done.

import { nodeId, WeaverError } from '../core/index.ts'
import type { Clock, Entropy, Epoch, Grant, NodeId, Signer, TaskId } from '../core/index.ts'
import { createCapabilities } from '../governance/index.ts'
import type { Capabilities } from '../governance/index.ts'
import type {
  Executor,
  ExecutorClient,
  Offer,
  OfferAnswer,
  ServedExecutor,
  TaskRun
} from '../scheduler/index.ts'
import type { TaskClaims } from './asking/index.ts'

/** This node's tokens, and those of whoever is a member when they are shown. */
export function memberCapabilities(
  {
    signer,
    entropy,
    clock
  }: {
    readonly signer: Signer
    readonly entropy: Entropy
    readonly clock: Clock
  },
  mayIssue: (node: NodeId) => boolean
): Capabilities {
  return createCapabilities({ signer, entropy, wall: () => clock.wall(), mayIssue })
}

/** The executors of other nodes, whose offers carry proof of what they ask for. */
export function withAuthority(
  executors: ExecutorClient,
  authorityFor: (claims: TaskClaims) => Promise<Uint8Array>
): ExecutorClient {
  return {
    ...executors,
    offer: async (node, offer) => {
      const { taskId, epoch, spec } = offer
      const { grants } = spec.sandbox
      if (grants.length === 0) return await executors.offer(node, offer)
      try {
        const authority = await authorityFor({ task: taskId, epoch, node: nodeId(node), grants })
        return await executors.offer(node, { ...offer, authority })
      } catch (error) {
        if (!(error instanceof WeaverError) || error.code !== INVALID) throw error
        return refusedOffer(error.message)
      }
    }
  }
}

export interface CheckedDeps {
  readonly self: NodeId
  readonly capabilities: Pick<Capabilities, 'check'>
  /** Keeps what came with a run for the process that it becomes. */
  readonly proofs: {
    keepProof(run: TaskRun, proof: Uint8Array): void
    forgetProof(run: TaskRun): void
  }
}

/** This node's executor, for other nodes: it hears of no offer that asks for more than it proves. */
export function checkingAuthority(
  executor: ServedExecutor,
  { self, capabilities, proofs }: CheckedDeps
): ServedExecutor {
  const objection = async (from: NodeId, offer: Offer): Promise<string | null> => {
    const { grants } = offer.spec.sandbox
    if (grants.length === 0) return null
    const shown: Shown = {
      issuer: from,
      task: offer.taskId,
      epoch: offer.epoch,
      node: self,
      grants
    }
    const verdict = await capabilities.check(offer.authority ?? new Uint8Array(), shown)
    return verdict.kind === 'held' ? null : verdict.reason
  }
  return {
    offer: async (from, offer) => {
      const why = await objection(from, offer)
      if (why !== null) return refusedOffer(`its origin may not ask for this: ${why}`)
      const { authority, spec } = offer
      // Before it is accepted: its process may start before the answer is here.
      const isKept = authority !== undefined && spec.sandbox.grants.length > 0
      if (isKept) proofs.keepProof(offer, authority)
      const answer = await executor.offer(from, offer)
      if (isKept && answer.kind !== 'accepted') proofs.forgetProof(offer)
      return answer
    },
    attach: (from, run, channel) => executor.attach(from, run, channel),
    status: (from, run) => executor.status(from, run),
    cancel: (from, run) => executor.cancel(from, run),
    signal: (from, run, name) => executor.signal(from, run, name),
    acknowledge: (from, run) => {
      proofs.forgetProof(run)
      executor.acknowledge(from, run)
    }
  }
}

/** This node's executor, for itself: what a process asked for starts only while its authority holds. */
export function checkingOwn(
  executor: Executor,
  asking: { objection(offer: Offer): Promise<string | null> }
): ServedExecutor {
  return {
    offer: async (from, offer) => {
      const why = await asking.objection(offer)
      if (why !== null) return refusedOffer(`who asked for it may not any more: ${why}`)
      return await executor.offer(from, offer)
    },
    attach: (from, run, channel) => executor.attach(from, run, channel),
    status: (from, run) => executor.status(from, run),
    cancel: (from, run) => executor.cancel(from, run),
    signal: (from, run, name) => executor.signal(from, run, name),
    acknowledge: (from, run) => executor.acknowledge(from, run)
  }
}

const INVALID = 'GOVERNANCE_CAPABILITY_INVALID'

function refusedOffer(why: string): OfferAnswer {
  return { kind: 'refused', code: INVALID, reason: why.slice(0, REASON_LENGTH_MAX) }
}

interface Shown {
  readonly issuer: NodeId
  readonly task: TaskId
  readonly epoch: Epoch
  readonly node: NodeId
  readonly grants: readonly Grant[]
}

const REASON_LENGTH_MAX = 300
