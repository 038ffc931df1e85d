// Tools on other nodes, and the one way to call a tool on this: decided, run, recorded.

import { z } from 'zod'
import { millis } from '../../core/index.ts'
import type { Cbor, Containment, NodeId } from '../../core/index.ts'
import type { Gate, Principal } from '../../governance/index.ts'
import { principalText } from '../../governance/index.ts'
import type { RpcClient, RpcRequest, RpcService } from '../../mesh/index.ts'
import type { Sandbox, ToolResult } from '../../sandbox-wasm/index.ts'
import type { NodeLedger } from '../ledger.ts'
import { REMOTE_CALL_TIMEOUT_MS } from '../limits.ts'
import { noSuchMethod } from './errors.ts'
import { answered, received } from './received.ts'

const SERVICE = 'tools'
const TEXT_MAX = 4 * 1024 * 1024

const callSchema = z.object({
  name: z.string().max(63),
  input: z.string().max(TEXT_MAX),
  // Members of an earlier version do not say: contained.
  containment: z.enum(['os', 'none']).default('os')
})
const answerSchema = z.object({ result: z.string().max(TEXT_MAX) })
const resultSchema = z.object({
  ok: z.boolean(),
  output: z.json(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  durationMs: z.number().transform(millis),
  memoryBytes: z.number().nullable()
})

export interface ToolCallerDeps {
  readonly sandbox: Sandbox
  readonly gate: Gate
  readonly ledger: NodeLedger
}

export interface NamedCall {
  readonly name: string
  readonly input: string
  readonly containment: Containment
}

export type ToolCaller = (
  principal: Principal,
  call: NamedCall,
  signal: AbortSignal
) => Promise<ToolResult>

/** Decided before the guest starts; `tool.called` is durable before the caller has the result. */
export function toolCaller({ sandbox, gate, ledger }: ToolCallerDeps): ToolCaller {
  return async (principal, { name, input, containment }, signal) => {
    const tool = (await sandbox.list()).find((listed) => listed.name === name)
    const resource = `tool:${name.slice(0, 63)}`
    const inputBytes = Buffer.byteLength(input)
    const context = { digest: tool?.digest ?? null, inputBytes, containment }
    const permit = await gate.authorize({ principal, action: 'tool.call', resource, context })
    const result = await sandbox.call({ tool: name, input, containment }, signal)
    const payload = {
      decision: permit.decision.id,
      digest: tool?.digest ?? null,
      containment,
      ok: result.ok,
      error: result.error?.code ?? null,
      durationMs: Math.round(result.durationMs)
    }
    const actor = principalText(principal)
    await ledger.record([{ kind: 'tool.called', actor, subject: resource, payload }])
    return result
  }
}

export function toolsService(call: ToolCaller): RpcService {
  return {
    name: SERVICE,
    serve: async (request: RpcRequest): Promise<Cbor> => {
      if (request.method !== 'call') throw noSuchMethod(SERVICE, request.method)
      const principal = { kind: 'member', nodeId: request.peer } as const
      const result = await call(principal, received(callSchema, request.body), request.signal)
      return { result: JSON.stringify(result) }
    }
  }
}

/** Calls a tool on another node. */
export async function callRemoteTool(
  rpc: RpcClient,
  node: NodeId,
  call: NamedCall,
  signal: AbortSignal
): Promise<ToolResult> {
  const options = { signal, timeoutMs: REMOTE_CALL_TIMEOUT_MS }
  const answer = answered(answerSchema, await rpc.call(node, SERVICE, 'call', { ...call }, options))
  return answered(resultSchema, jsonIn(answer.result))
}

/** Undefined, which no schema takes, where it is no JSON. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
