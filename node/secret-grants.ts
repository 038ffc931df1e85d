// Hands secrets to the processes that were granted them: in the environment, under their own names, and out of
// everything that such a process writes.
//
// Invariants
//   S1. A value leaves its home only for the node that runs the task, for its current epoch, and only where
//       the task was submitted with a grant for it. Each hand-over is decided, and on record before it.
//   S2. A value is kept by no node but the one whose secret it is: it travels when the process starts.

import { z } from 'zod'
import type { OutputFilter, ProcessHost, RunningProcess, SpawnRequest } from '../agents/index.ts'
import { epoch, taskId, WeaverError } from '../core/index.ts'
import type { Epoch, Grant, NodeId, TaskId } from '../core/index.ts'
import { Redactor, secretPatterns } from '../governance/index.ts'
import type { Gate } from '../governance/index.ts'
import type { RpcClient, RpcService } from '../mesh/index.ts'
import type { Origin } from '../scheduler/index.ts'
import { REMOTE_CALL_TIMEOUT_MS } from './limits.ts'
import { noSuchMethod } from './remote/errors.ts'
import { answered, received } from './remote/received.ts'
import type { Secrets } from './secrets.ts'

const SERVICE = 'secrets'

/** A run of a task, and the node whose owner submitted it. */
export interface SecretOwner {
  readonly node: NodeId
  readonly taskId: TaskId
  readonly epoch: Epoch
}

export interface SecretGrantsDeps {
  readonly self: NodeId
  readonly processes: ProcessHost
  readonly secrets: Pick<Secrets, 'read'>
  readonly rpc: Pick<RpcClient, 'call'>
}

/** The same host, for which secret grants mean something. */
export function withSecrets(deps: SecretGrantsDeps): ProcessHost {
  const { processes } = deps
  return {
    ...(processes.holdOutput === undefined
      ? {}
      : { holdOutput: (pid) => processes.holdOutput?.(pid) ?? ((): void => undefined) }),
    spawn: async (request: SpawnRequest): Promise<RunningProcess> => {
      const names = secretNames(request.sandbox.grants)
      if (names.length === 0) return await processes.spawn(request)
      const { secretsOf: owner = null } = request
      const values = await Promise.all(names.map((name) => valueOf(deps, owner, name)))
      const variables = names.map((name, at) => [name, textOf(name, values[at])] as const)
      const patterns = secretPatterns(values)
      return await processes.spawn({
        ...request,
        env: { ...request.env, ...Object.fromEntries(variables) },
        outputFilter: (): OutputFilter => new Redactor(patterns)
      })
    }
  }
}

function secretNames(grants: readonly Grant[]): readonly string[] {
  return grants.flatMap((grant) => (grant.kind === 'secret' ? [grant.name] : []))
}

const valueSchema = z.object({ value: z.instanceof(Uint8Array) })

async function valueOf(
  { self, secrets, rpc }: SecretGrantsDeps,
  owner: SecretOwner | null,
  name: string
): Promise<Uint8Array> {
  if (owner === null || owner.node === self) return await secrets.read(name)
  const body = { name, taskId: owner.taskId, epoch: owner.epoch }
  const options = { timeoutMs: REMOTE_CALL_TIMEOUT_MS }
  return answered(valueSchema, await rpc.call(owner.node, SERVICE, 'read', body, options)).value
}

/** @throws WeaverError `NODE_SECRET_NOT_TEXT`: a variable cannot hold every value that a file can */
function textOf(name: string, value: Uint8Array | undefined): string {
  const text = Buffer.from(value ?? []).toString('utf8')
  const isText = !text.includes('\0') && Buffer.from(text).equals(Buffer.from(value ?? []))
  if (isText) return text
  throw new WeaverError(
    'NODE_SECRET_NOT_TEXT',
    `Cannot hand over secret '${name}': its value is not text, and a variable holds text alone`,
    {
      retry: 'never',
      detail: { hint: `set it anew, in base64 for one: weaver secrets set ${name}` }
    }
  )
}

const readSchema = z.object({
  name: z.string().max(128),
  taskId: z.string().transform(taskId),
  epoch: z.int().min(1).transform(epoch)
})

export interface SecretsServiceDeps {
  readonly origin: Pick<Origin, 'show'>
  readonly secrets: Pick<Secrets, 'read'>
  readonly gate: Gate
}

/** What a node gives to those that run its tasks (S1). */
export function secretsService({ origin, secrets, gate }: SecretsServiceDeps): RpcService {
  return {
    name: SERVICE,
    serve: async ({ peer, method, body }) => {
      if (method !== 'read') throw noSuchMethod(SERVICE, method)
      const asked = received(readSchema, body)
      const { executor, epoch: current, state, sandbox } = origin.show(asked.taskId)
      const isRunning = (state === 'offered' || state === 'running') && executor === peer
      const isGranted = secretNames(sandbox.grants).includes(asked.name)
      if (!isRunning || current !== asked.epoch || !isGranted) throw refused(asked.name)
      await gate.authorize({
        principal: { kind: 'owner' }, // The task is the owner's, and so was the grant.
        action: 'secret.read',
        resource: `secret:${asked.name}`,
        context: { task: asked.taskId, epoch: asked.epoch, node: peer }
      })
      return { value: await secrets.read(asked.name) }
    }
  }
}

function refused(name: string): WeaverError {
  return new WeaverError(
    'NODE_SECRET_REFUSED',
    `Cannot hand over secret '${name.slice(0, 64)}': no task that runs there now was granted it`,
    { retry: 'never' }
  )
}
