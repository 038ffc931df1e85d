// The control API from the caller's side: one method for each operation. Answers are typed, not checked
// again: they come from this machine's own kernel, over a socket that only its owner may open.

import { ApiError } from './api-error.ts'
import { readEvents } from './event-stream.ts'
import type { StreamItem } from './event-stream.ts'
import { request } from './http-client.ts'
import type { HttpRequest } from './http-client.ts'
import {
  ANSWER_BYTES_MAX,
  CLIENT_SLACK_MS,
  LONG_REQUEST_DEADLINE_MS,
  REQUEST_DEADLINE_MS,
  STREAM_HEARTBEAT_MS
} from './limits.ts'
import type * as api from './types/index.ts'

export interface RequestOptions {
  readonly signal?: AbortSignal
}

export interface StreamRequestOptions extends RequestOptions {
  /** The id of the last item already seen. */
  readonly after?: string | null
}

type Query = Readonly<Record<string, string | number | boolean | null | undefined>>

const PREFIX = '/api/v1'
const SHORT_IDLE_MS = REQUEST_DEADLINE_MS + CLIENT_SLACK_MS
const LONG_IDLE_MS = LONG_REQUEST_DEADLINE_MS + CLIENT_SLACK_MS

/** Every method throws ApiError. */
export class ControlClient {
  readonly #socketPath: string
  #answeredAt = 0

  constructor(options: { readonly socketPath: string }) {
    this.#socketPath = options.socketPath
  }

  get socketPath(): string {
    return this.#socketPath
  }

  /** The kernel's wall clock when it gave the last answer; 0 before any. For ages. */
  get answeredAt(): number {
    return this.#answeredAt
  }

  status(options?: RequestOptions): Promise<api.KernelStatus> {
    return this.#get('/status', {}, options)
  }

  stop(): Promise<api.StopAccepted> {
    return this.#post('/stop', null)
  }

  events(options?: StreamRequestOptions): AsyncIterable<StreamItem<api.KernelEvent>> {
    return this.#stream('/events', {}, options)
  }

  logs(
    query: { readonly lines: number; readonly follow: boolean },
    options?: StreamRequestOptions
  ): AsyncIterable<StreamItem<api.LogLine>> {
    return this.#stream('/logs', query, options)
  }

  processes(query: api.ProcessQuery): Promise<readonly api.ProcessRow[]> {
    return this.#get('/processes', { node: query.node, all: query.all })
  }

  processOutput(
    process: string,
    query: { readonly follow: boolean },
    options?: StreamRequestOptions
  ): AsyncIterable<StreamItem<api.OutputChunk>> {
    return this.#stream(`/processes/${encodeURIComponent(process)}/output`, query, options)
  }

  invite(body: api.InviteRequest): Promise<api.Invite> {
    return this.#post('/mesh/invites', body)
  }

  join(invite: string): Promise<api.MeshStatus> {
    return this.#post('/mesh/join', { invite }, LONG_IDLE_MS)
  }

  evictNode(node: string): Promise<api.MembershipAct> {
    return this.#post(`/nodes/${encodeURIComponent(node)}/evict`, null)
  }

  setNodeRole(node: string, role: api.Role): Promise<api.MembershipAct> {
    return this.#post(`/nodes/${encodeURIComponent(node)}/role`, { role })
  }

  nodeLabels(node: string): Promise<api.NodeLabels> {
    return this.#get(`/nodes/${encodeURIComponent(node)}/labels`)
  }

  labelNode(node: string, body: api.LabelRequest): Promise<api.NodeLabels> {
    return this.#post(`/nodes/${encodeURIComponent(node)}/labels`, body)
  }

  setSignatures(signatures: number): Promise<api.MembershipAct> {
    return this.#post('/mesh/signatures', { signatures })
  }

  pendingChanges(): Promise<readonly api.PendingChange[]> {
    return this.#get('/mesh/pending')
  }

  approveChanges(statement: string | null): Promise<readonly api.PendingChange[]> {
    return this.#post('/mesh/approve', { statement })
  }

  leaveMesh(force: boolean): Promise<api.MembershipAct> {
    return this.#post('/mesh/leave', { force })
  }

  meshStatus(): Promise<api.MeshStatus> {
    return this.#get('/mesh')
  }

  pingNode(node: string): Promise<api.PathPing> {
    return this.#post(`/nodes/${encodeURIComponent(node)}/ping`, null)
  }

  netcheck(): Promise<api.Netcheck> {
    return this.#get('/mesh/netcheck')
  }

  peers(): Promise<readonly api.Peer[]> {
    return this.#get('/peers')
  }

  node(node: string | null): Promise<api.NodeView> {
    return this.#get(node === null ? '/node' : `/nodes/${encodeURIComponent(node)}`)
  }

  submitTask(submission: api.TaskSubmission): Promise<api.TaskAccepted> {
    return this.#post('/tasks', submission)
  }

  tasks(): Promise<readonly api.Task[]> {
    return this.#get('/tasks')
  }

  task(taskId: string): Promise<api.Task> {
    return this.#get(`/tasks/${encodeURIComponent(taskId)}`)
  }

  taskEvents(taskId: string, options?: StreamRequestOptions): AsyncIterable<StreamItem<api.Task>> {
    return this.#stream(`/tasks/${encodeURIComponent(taskId)}/events`, {}, options)
  }

  taskOutput(
    taskId: string,
    query: { readonly follow: boolean },
    options?: StreamRequestOptions
  ): AsyncIterable<StreamItem<api.OutputChunk>> {
    return this.#stream(`/tasks/${encodeURIComponent(taskId)}/output`, query, options)
  }

  cancelTask(taskId: string): Promise<api.Task> {
    return this.#post(`/tasks/${encodeURIComponent(taskId)}/cancel`, null)
  }

  agents(): Promise<readonly api.Agent[]> {
    return this.#get('/agents')
  }

  spawnAgent(spec: api.AgentSpec): Promise<api.Agent> {
    return this.#post('/agents', spec)
  }

  agent(process: string): Promise<api.Agent> {
    return this.#get(`/agents/${encodeURIComponent(process)}`)
  }

  stopAgent(process: string): Promise<api.Agent> {
    return this.#post(`/agents/${encodeURIComponent(process)}/stop`, null, LONG_IDLE_MS)
  }

  restartAgent(process: string): Promise<api.Agent> {
    return this.#post(`/agents/${encodeURIComponent(process)}/restart`, null, LONG_IDLE_MS)
  }

  /** Of the process whose socket this is. */
  self(): Promise<api.SelfView> {
    return this.#get('/self')
  }

  runtimes(): Promise<readonly api.Runtime[]> {
    return this.#get('/runtimes')
  }

  tools(): Promise<readonly api.ToolSummary[]> {
    return this.#get('/tools')
  }

  tool(name: string): Promise<api.Tool> {
    return this.#get(`/tools/${encodeURIComponent(name)}`)
  }

  callTool(name: string, call: api.ToolCall): Promise<api.ToolResult> {
    return this.#post(`/tools/${encodeURIComponent(name)}/call`, call, LONG_IDLE_MS)
  }

  policy(): Promise<api.PolicyView> {
    return this.#get('/policy')
  }

  checkPolicy(asked: api.PolicyCheckRequest): Promise<api.PolicyCheck> {
    return this.#post('/policy/check', asked)
  }

  validatePolicy(text: api.PolicyText): Promise<api.PolicyValidation> {
    return this.#post('/policy/validate', text)
  }

  applyPolicy(text: string): Promise<api.MeshPolicyView> {
    return this.#post('/policy/apply', { text })
  }

  addPolicy(text: string): Promise<api.PolicyView> {
    return this.#post('/policy/add', { text })
  }

  reloadPolicy(): Promise<api.PolicyView> {
    return this.#post('/policy/reload', null)
  }

  lockPolicy(): Promise<api.PolicyLockView> {
    return this.#post('/policy/lock', null)
  }

  approvals(): Promise<readonly api.Approval[]> {
    return this.#get('/approvals')
  }

  approval(id: string): Promise<api.Approval> {
    return this.#get(`/approvals/${encodeURIComponent(id)}`)
  }

  decideApproval(
    id: string,
    decision: { readonly approve: boolean; readonly hash: string | null }
  ): Promise<api.Approval> {
    return this.#post(`/approvals/${encodeURIComponent(id)}`, decision)
  }

  secrets(): Promise<readonly api.SecretRow[]> {
    return this.#get('/secrets')
  }

  setSecret(name: string, value: Uint8Array): Promise<readonly api.SecretRow[]> {
    const base64 = Buffer.from(value).toString('base64')
    return this.#post(`/secrets/${encodeURIComponent(name)}`, { base64 })
  }

  removeSecret(name: string): Promise<readonly api.SecretRow[]> {
    return this.#post(`/secrets/${encodeURIComponent(name)}/remove`, null)
  }

  blobs(): Promise<api.BlobShelf> {
    return this.#get('/blobs')
  }

  /** Sends what `bytes` brings, as it comes. */
  putBlob(
    bytes: AsyncIterable<Uint8Array>,
    query: { readonly pinned: boolean }
  ): Promise<api.BlobStored> {
    return this.#ask({
      method: 'POST',
      path: `${PREFIX}/blobs${queryText(query)}`,
      headers: {},
      body: bytes,
      idleMs: LONG_IDLE_MS,
      signal: null
    })
  }

  /** How far it is; the last step says that it is done. */
  fetchBlob(blob: string): AsyncIterable<StreamItem<api.BlobFetchStep>> {
    return this.#stream(`/blobs/${encodeURIComponent(blob)}/fetch`, {})
  }

  /** The bytes of a blob that is whole on this node. */
  async *readBlob(blob: string): AsyncGenerator<Buffer, void, void> {
    const answer = await request(this.#socketPath, {
      method: 'GET',
      path: `${PREFIX}/blobs/${encodeURIComponent(blob)}/content`,
      headers: {},
      body: null,
      idleMs: LONG_IDLE_MS,
      signal: null
    })
    if (answer.status >= 400) throw errorOf(answer.status, await wholeText(answer.body))
    yield* answer.body
  }

  pinBlob(blob: string, pinned: boolean): Promise<api.BlobStored> {
    return this.#post(`/blobs/${encodeURIComponent(blob)}/pin`, { pinned })
  }

  collectBlobs(bytesMax: number | null): Promise<api.BlobCollected> {
    return this.#post('/blobs/collect', { bytesMax }, LONG_IDLE_MS)
  }

  chainStatus(): Promise<api.ChainStatus> {
    return this.#get('/chain/status')
  }

  /** How far it is; the last step carries the report. */
  verifySteps(query: api.ChainVerifyQuery): AsyncIterable<StreamItem<api.ChainVerifyStep>> {
    return this.#stream('/chain/verify/steps', { ...query })
  }

  verifyChain(lane: string | null, full = false): Promise<api.ChainReport> {
    return this.#get('/chain/verify', { lane, full }, { idleMs: LONG_IDLE_MS })
  }

  redactEntry(wish: api.ChainRedactionRequest): Promise<api.ChainRedaction> {
    return this.#post('/chain/redact', wish)
  }

  keepLanes(wish: api.ChainKeep): Promise<api.ChainKept> {
    return this.#post('/chain/keep', wish)
  }

  rotateKey(): Promise<api.KeyRotation> {
    return this.#post('/chain/rotate', null)
  }

  repairChain(lane: string | null): Promise<api.ChainRepair> {
    const query = lane === null ? '' : `?lane=${encodeURIComponent(lane)}`
    return this.#post(`/chain/repair${query}`, null, LONG_IDLE_MS)
  }

  chainLog(
    query: api.ChainLogQuery,
    options?: StreamRequestOptions
  ): AsyncIterable<StreamItem<api.ChainEntry>> {
    return this.#stream('/chain/log', { ...query }, options)
  }

  chainProof(entry: string, query: { readonly payload: boolean }): Promise<api.ChainProof> {
    return this.#get(`/chain/proofs/${encodeURIComponent(entry)}`, query)
  }

  exportChain(lane: string | null): AsyncIterable<StreamItem<api.ExportChunk>> {
    return this.#stream('/chain/export', { lane })
  }

  chainEntry(entry: string): Promise<api.ChainEntry> {
    return this.#get(`/chain/entries/${encodeURIComponent(entry)}`)
  }

  #get<T>(
    path: string,
    query: Query = {},
    options: RequestOptions & { readonly idleMs?: number } = {}
  ): Promise<T> {
    return this.#ask({
      method: 'GET',
      path: PREFIX + path + queryText(query),
      headers: {},
      body: null,
      idleMs: options.idleMs ?? SHORT_IDLE_MS,
      signal: options.signal ?? null
    })
  }

  #post<T>(path: string, body: object | null, idleMs: number = SHORT_IDLE_MS): Promise<T> {
    return this.#ask({
      method: 'POST',
      path: PREFIX + path,
      headers: {},
      body: body === null ? null : JSON.stringify(body),
      idleMs,
      signal: null
    })
  }

  async #ask<T>(spec: HttpRequest): Promise<T> {
    const answer = await request(this.#socketPath, spec)
    const text = await wholeText(answer.body)
    if (answer.status >= 400) throw errorOf(answer.status, text)
    this.#answeredAt = Number(answer.headers.get('weft-time') ?? 0)
    const value: T = JSON.parse(text)
    return value
  }

  async *#stream<T>(
    path: string,
    query: Query,
    options: StreamRequestOptions = {}
  ): AsyncGenerator<StreamItem<T>, void, void> {
    const after = options.after ?? null
    const answer = await request(this.#socketPath, {
      method: 'GET',
      path: PREFIX + path + queryText(query),
      headers: after === null ? {} : { 'last-event-id': after },
      body: null,
      idleMs: STREAM_HEARTBEAT_MS * 3,
      signal: options.signal ?? null
    })
    if (answer.status >= 400) throw errorOf(answer.status, await wholeText(answer.body))
    yield* readEvents<T>(answer.body)
  }
}

function queryText(query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined)
  if (pairs.length === 0) return ''
  return `?${pairs.map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`).join('&')}`
}

async function wholeText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size > ANSWER_BYTES_MAX) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The answer's own error, or one that says what came instead. */
export function errorOf(status: number, text: string): ApiError {
  try {
    const { error }: { readonly error: api.ApiErrorBody } = JSON.parse(text)
    return new ApiError({ code: error.code, message: error.message, hint: error.hint ?? null })
  } catch {
    return new ApiError({
      code: 'API_ANSWER_DAMAGED',
      message: `The kernel answered with status ${status} and no reason`,
      hint: 'see its log with: weaver kernel logs'
    })
  }
}
