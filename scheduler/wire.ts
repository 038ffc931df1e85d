// Origin and executor on two sides of the mesh, or on the same node: clients over an RPC caller, the
// dispatchers that serve them, and the routers that send calls for this node straight to the object.

import { channelPair, millis, WeaverError } from '../core/index.ts'
import type { Cbor, FrameChannel, Logger, Millis, NodeId } from '../core/index.ts'
import { InvalidMessageError, UnreachableError } from './errors.ts'
import type { Executor } from './executor.ts'
import { CALL_TIMEOUT_MS } from './limits.ts'
import {
  answerSchema,
  finishedCbor,
  finishedSchema,
  offerCbor,
  offerSchema,
  received,
  runCbor,
  runSchema,
  signalSchema,
  startedSchema,
  statusCbor,
  statusSchema,
  verdictSchema
} from './messages.ts'
import type { Origin } from './origin.ts'
import type { ExecutorClient, OriginClient, PeerDirectory, RpcCaller, TaskRun } from './ports.ts'
import { isReachable } from './reach.ts'

/** Names of the two services, as peers ask for them. */
export const EXECUTOR_SERVICE = 'executor'
export const ORIGIN_SERVICE = 'origin'

/** One call from a member, as much of it as the dispatchers read. */
export interface ServedCall {
  /** Proven by the connection's handshake. */
  readonly peer: NodeId
  readonly method: string
  readonly body: unknown
  readonly channel: FrameChannel
}

export interface WireDeps {
  readonly rpc: RpcCaller
  readonly peers: PeerDirectory
}

/** Codes of calls that surely did not run at the peer. */
const UNSENT_CODES: ReadonlySet<string> = new Set([
  'MESH_PEER_BUSY',
  'MESH_STREAM_REFUSED',
  'MESH_MESSAGE_TOO_LARGE'
])

/** The executors of other nodes. */
export function remoteExecutors({ rpc, peers }: WireDeps): ExecutorClient {
  const call = async (node: NodeId, method: string, body: Cbor): Promise<unknown> => {
    if (!isReachable(peers, node)) throw new UnreachableError(node)
    try {
      return await rpc.call(node, EXECUTOR_SERVICE, method, body, timeout)
    } catch (error) {
      const isUnsent = error instanceof WeaverError && UNSENT_CODES.has(error.code)
      throw isUnsent ? new UnreachableError(node, error) : error
    }
  }
  return {
    offer: async (node, offer) =>
      received(answerSchema, await call(node, 'offer', offerCbor(offer)), 'answer to an offer'),
    attach: (node, run) => rpc.open(node, EXECUTOR_SERVICE, 'attach', runCbor(run)).channel,
    status: async (node, run) =>
      received(statusSchema, await call(node, 'status', runCbor(run)), 'status of a task'),
    cancel: async (node, run) => {
      await call(node, 'cancel', runCbor(run))
    },
    signal: async (node, run, name) => {
      await call(node, 'signal', { ...runCbor(run), name })
    },
    acknowledge: async (node, run) => {
      await call(node, 'acknowledge', runCbor(run))
    }
  }
}

const timeout: { readonly timeoutMs: Millis } = { timeoutMs: millis(CALL_TIMEOUT_MS) }

/** The origins of other nodes. */
export function remoteOrigins({ rpc }: Pick<WireDeps, 'rpc'>): OriginClient {
  return {
    started: (origin, report) => {
      const { pid, startedAt } = report
      rpc.notify(origin, ORIGIN_SERVICE, 'started', { ...runCbor(report), pid, startedAt })
    },
    finished: async (origin, report) => {
      const body = finishedCbor(report)
      const answer = await rpc.call(origin, ORIGIN_SERVICE, 'finished', body, timeout)
      return received(verdictSchema, answer, 'answer to a result')
    }
  }
}

/** What other nodes may ask of an executor. */
export type ServedExecutor = Pick<
  Executor,
  'offer' | 'attach' | 'status' | 'cancel' | 'signal' | 'acknowledge'
>

/** Serves one call of another node's origin. The result is the answer. */
export async function serveExecutor(executor: ServedExecutor, call: ServedCall): Promise<Cbor> {
  const { peer, method, body, channel } = call
  const run = (): TaskRun => received(runSchema, body, `'${method}'`)
  switch (method) {
    case 'offer':
      return { ...(await executor.offer(peer, received(offerSchema, body, 'offer'))) }
    case 'attach':
      await executor.attach(peer, run(), channel)
      return null
    case 'status':
      return statusCbor(executor.status(peer, run()))
    case 'cancel':
      executor.cancel(peer, run())
      return null
    case 'signal': {
      const { name, ...target } = received(signalSchema, body, 'signal')
      executor.signal(peer, target, name)
      return null
    }
    case 'acknowledge':
      executor.acknowledge(peer, run())
      return null
    default:
      throw new InvalidMessageError(`'${method.slice(0, 32)}'`)
  }
}

/** Serves one report of another node's executor. */
export async function serveOrigin(origin: Origin, call: ServedCall): Promise<Cbor> {
  const { peer, method, body } = call
  switch (method) {
    case 'started':
      origin.started(peer, received(startedSchema, body, 'report'))
      return null
    case 'finished':
      return await origin.finished(peer, received(finishedSchema, body, 'result'))
    default:
      throw new InvalidMessageError(`'${method.slice(0, 32)}'`)
  }
}

/** Whom a call is for: this node's own object, or another node's over `remote`. */
export interface LocalDeps<Local, Remote> {
  readonly self: NodeId
  /** A function, because origin and executor are built in turn and know each other. */
  readonly local: () => Local
  readonly remote: Remote
  readonly log: Logger
}

export function routeExecutors(deps: LocalDeps<ServedExecutor, ExecutorClient>): ExecutorClient {
  const { self, local, remote, log } = deps
  return {
    offer: (node, offer) =>
      node === self ? local().offer(self, offer) : remote.offer(node, offer),
    attach: (node, run) => {
      if (node !== self) return remote.attach(node, run)
      const [mine, theirs] = channelPair()
      local()
        .attach(self, run, theirs)
        .catch((error: unknown) => {
          log.debug('Cannot attach to a task of this node', { taskId: run.taskId })
          theirs.abort(asWeaverError(error))
        })
      return mine
    },
    status: async (node, run) =>
      node === self ? local().status(self, run) : await remote.status(node, run),
    cancel: async (node, run) =>
      node === self ? local().cancel(self, run) : await remote.cancel(node, run),
    signal: async (node, run, name) =>
      node === self ? local().signal(self, run, name) : await remote.signal(node, run, name),
    acknowledge: async (node, run) =>
      node === self ? local().acknowledge(self, run) : await remote.acknowledge(node, run)
  }
}

export function routeOrigins(deps: Omit<LocalDeps<Origin, OriginClient>, 'log'>): OriginClient {
  const { self, local, remote } = deps
  return {
    started: (node, report) =>
      node === self ? local().started(self, report) : remote.started(node, report),
    finished: (node, report) =>
      node === self ? local().finished(self, report) : remote.finished(node, report)
  }
}

function asWeaverError(error: unknown): WeaverError {
  if (error instanceof WeaverError) return error
  return new WeaverError('SCHEDULER_ATTACH_FAILED', 'Cannot attach to the task', { cause: error })
}
