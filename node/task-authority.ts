// What a task may do on another node travels with its offer as a capability, and is checked there before
// anything is decided: the executor's own policy then says what of it is done.

import { nodeId } from '../core/index.ts'
import type { Clock, Entropy, Epoch, Grant, NodeId, Signer, TaskId } from '../core/index.ts'
import { createCapabilities } from '../governance/index.ts'
import type { Capabilities } from '../governance/index.ts'
import type { ExecutorClient, Offer, ServedExecutor } from '../scheduler/index.ts'

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
  capabilities: Pick<Capabilities, 'issue'>
): ExecutorClient {
  return {
    ...executors,
    offer: async (node, offer) => {
      const { taskId, epoch, spec } = offer
      const { grants } = spec.sandbox
      if (grants.length === 0) return await executors.offer(node, offer)
      const claims = { task: taskId, epoch, node: nodeId(node), grants, until: null }
      return await executors.offer(node, { ...offer, authority: await capabilities.issue(claims) })
    }
  }
}

export interface CheckedDeps {
  readonly self: NodeId
  readonly capabilities: Pick<Capabilities, 'check'>
}

/** This node's executor, for other nodes: it hears of no offer that asks for more than it proves. */
export function checkingAuthority(
  executor: ServedExecutor,
  { self, capabilities }: CheckedDeps
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
      if (why === null) return await executor.offer(from, offer)
      const reason = `its origin may not ask for this: ${why}`.slice(0, REASON_LENGTH_MAX)
      return { kind: 'refused', code: 'GOVERNANCE_CAPABILITY_INVALID', reason }
    },
    attach: (from, run, channel) => executor.attach(from, run, channel),
    status: (from, run) => executor.status(from, run),
    cancel: (from, run) => executor.cancel(from, run),
    signal: (from, run, name) => executor.signal(from, run, name),
    acknowledge: (from, run) => executor.acknowledge(from, run)
  }
}

interface Shown {
  readonly issuer: NodeId
  readonly task: TaskId
  readonly epoch: Epoch
  readonly node: NodeId
  readonly grants: readonly Grant[]
}

const REASON_LENGTH_MAX = 300
