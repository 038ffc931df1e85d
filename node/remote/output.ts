// What processes on other nodes write: the service that a node offers to members, and its client.

import { z } from 'zod'
import { decodeCbor, encodeCbor, pid } from '../../core/index.ts'
import type { Cbor, NodeId, Pid } from '../../core/index.ts'
import type { Gate } from '../../governance/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../../mesh/index.ts'
import { noSuchMethod } from './errors.ts'
import { answered, received } from './received.ts'

const SERVICE = 'output'

/** A piece of output. `offset` counts the process's bytes from its first. */
export interface OutputPiece {
  readonly offset: number
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Uint8Array
}

/** The outputs of this node's processes. */
export interface OutputStore {
  /** From `fromOffset`, or the oldest byte still kept; ends without an error when `signal` aborts. */
  read(
    process: Pid,
    fromOffset: number,
    signal: AbortSignal,
    isFollowing: boolean
  ): AsyncIterable<OutputPiece>
}

export interface OutputRequest {
  readonly pid: number
  readonly from: number
  readonly follow: boolean
}

const requestSchema = z.object({
  pid: z.int().min(1),
  from: z.int().min(0),
  follow: z.boolean()
})
const pieceSchema = z.tuple([
  z.int().min(0),
  z.enum(['stdout', 'stderr']),
  z.instanceof(Uint8Array)
])

export interface OutputServiceDeps {
  readonly outputs: OutputStore
  readonly gate: Gate
  /** This node's name, as its processes are called by. */
  readonly name: string
}

export function outputService({ outputs, gate, name }: OutputServiceDeps): RpcService {
  return {
    name: SERVICE,
    serve: async (request: RpcRequest): Promise<Cbor> => {
      if (request.method !== 'read') throw noSuchMethod(SERVICE, request.method)
      const wanted = received(requestSchema, request.body)
      await gate.authorize({
        principal: { kind: 'member', nodeId: request.peer },
        action: 'process.attach',
        resource: `process:${wanted.pid}@${name}`,
        context: {}
      })
      const pieces = outputs.read(pid(wanted.pid), wanted.from, request.signal, wanted.follow)
      for await (const { offset, stream, bytes } of pieces) {
        await request.channel.send(encodeCbor([offset, stream, bytes]))
      }
      request.channel.end()
      return null
    }
  }
}

/** Reads the output of a process on another node until it ends or `signal` aborts. */
export async function* readRemoteOutput(
  rpc: RpcClient,
  node: NodeId,
  request: OutputRequest,
  signal: AbortSignal
): AsyncGenerator<OutputPiece, void, void> {
  const call = rpc.open(node, SERVICE, 'read', { ...request }, { signal })
  try {
    for await (const frame of call.channel.frames) {
      const [offset, stream, bytes] = answered(pieceSchema, decodeCbor(frame))
      yield { offset, stream, bytes }
    }
    await call.result // A call that failed ends its channel with the reason; one that ended says so here.
  } catch (error) {
    if (!signal.aborted) throw error // Whoever aborted has left: there is nobody to tell.
  }
}
