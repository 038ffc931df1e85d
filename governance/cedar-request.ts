// A request of the gate in the engine's words. Who a principal is, is looked up at this moment, never taken
// from the request: a role that was taken away does not live on here.

import { posix } from 'node:path'
import type { Cbor, NodeId, Pid } from '../core/index.ts'
import { isPathWithin, unreachable, WeaverError } from '../core/index.ts'
import type { CedarCall, CedarEntity, CedarUid, CedarValue } from './cedar-engine.ts'
import { commandLine } from './command-line.ts'
import { ARGUMENTS_BYTES_MAX, ITEMS_MAX, PATH_DEPTH_MAX } from './limits.ts'
import type { GateRequest, Principal } from './request.ts'

/** What a reading of a command finds; the schema's `Command`. Advice: containment does not depend on it. */
export interface CommandFacts {
  readonly program: string
  readonly programs: readonly string[]
  readonly risks: readonly string[]
  readonly isAnalysable: boolean
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  readonly hosts: readonly string[]
}

/** What policies may know that is not in the request. All of it is asked anew for each decision. */
export interface PolicyFacts {
  /** The role of a node by the mesh's signed statements; null: it is no member now. */
  roleOf(node: NodeId): 'member' | 'admin' | null
  /** What a process of this kernel was started as. `agent` is null for the process of a task. Null: not known. */
  processOf(pid: Pid): { readonly agent: string | null; readonly role: string } | null
  /** The role of an agent of this kernel by its name. */
  agentRole(name: string): string | null
  /** This node's home: paths that hold it, or lie in it, are marked. */
  readonly home: string | null
  /** Total: what it cannot read is not analysable. */
  analyse(argv: readonly string[], cwd: string | null, envNames: readonly string[]): CommandFacts
}

/** The request makes no sense to the schema. The gate denies it. */
export class RequestInvalidError extends WeaverError {
  constructor(why: string) {
    super('GOVERNANCE_REQUEST_INVALID', `Cannot decide on this request: ${why}`)
  }
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ['agent', 'Agent'],
  ['approval', 'Approval'],
  ['blob', 'Blob'],
  ['delegate', 'Delegate'],
  ['entry', 'Entry'],
  ['host', 'Host'],
  ['memory', 'Memory'],
  ['mesh', 'Mesh'],
  ['node', 'Node'],
  ['path', 'Path'],
  ['policy', 'PolicySet'],
  ['process', 'Process'],
  ['program', 'Program'],
  ['secret', 'Secret'],
  ['spawn', 'Spawning'],
  ['task', 'Task'],
  ['tool', 'Tool'],
  ['variable', 'Variable']
])

/** @throws WeaverError `GOVERNANCE_REQUEST_INVALID` */
export function cedarCall(request: GateRequest, facts: PolicyFacts): CedarCall {
  const principal = principalEntities(request.principal, facts)
  const resource = resourceEntity(request.resource, facts)
  const entities = [...principal.entities]
  const isKnown = entities.some(
    ({ uid }) => uid.type === resource.uid.type && uid.id === resource.uid.id
  )
  if (!isKnown) entities.push(resource)
  return {
    principal: principal.uid,
    action: { type: 'Weft::Action', id: request.action },
    resource: resource.uid,
    context: contextOf(request, facts),
    entities
  }
}

function uidOf(type: string, id: string): CedarUid {
  return { type: `Weft::${type}`, id }
}

interface Who {
  readonly uid: CedarUid
  readonly entities: readonly CedarEntity[]
}

function plain(type: string, id: string, parents: CedarUid[]): Who {
  const own = uidOf(type, id)
  return { uid: own, entities: [{ uid: own, attrs: {}, parents }] }
}

function principalEntities(principal: Principal, facts: PolicyFacts): Who {
  switch (principal.kind) {
    case 'owner':
      return plain('User', 'local', [])
    case 'member': {
      const role = facts.roleOf(principal.nodeId)
      const roles = role === null ? [] : role === 'admin' ? ['member', 'admin'] : ['member']
      return plain(
        'Node',
        principal.nodeId,
        roles.map((each) => uidOf('MeshRole', each))
      )
    }
    case 'stranger':
      return plain('Stranger', principal.nodeId ?? 'unknown', [])
    case 'agent':
      return plain('Agent', principal.name, [uidOf('Role', principal.role)])
    case 'process': {
      const known = facts.processOf(principal.pid)
      if (known === null) return plain('Process', String(principal.pid), [])
      const role = uidOf('Role', known.role)
      if (known.agent === null) return plain('Process', String(principal.pid), [role])
      const parent = plain('Agent', known.agent, [role])
      const own = plain('Process', String(principal.pid), [parent.uid])
      return { uid: own.uid, entities: [...own.entities, ...parent.entities] }
    }
    default:
      return unreachable(principal)
  }
}

function resourceEntity(text: string, facts: PolicyFacts): CedarEntity {
  const colon = text.indexOf(':')
  const type = TYPES.get(text.slice(0, Math.max(colon, 0)))
  const id = text.slice(colon + 1)
  if (type === undefined || id === '') {
    throw new RequestInvalidError(`'${text.slice(0, 64)}' names no resource`)
  }
  if (type === 'Path') return pathEntity(id, facts)
  if (type === 'Host') return hostEntity(id)
  const role = type === 'Agent' ? facts.agentRole(id) : null
  const parents = role === null ? [] : [uidOf('Role', role)]
  return { uid: uidOf(type, id), attrs: {}, parents }
}

/** A path is in each of its folders, so that policies need no patterns, which `/srv-2` would slip through. */
function pathEntity(path: string, facts: PolicyFacts): CedarEntity {
  const isPlain = path.startsWith('/') && posix.normalize(path) === path && !path.includes('\0')
  if (!isPlain || (path.length > 1 && path.endsWith('/'))) {
    throw new RequestInvalidError(`'${path.slice(0, 64)}' is not a normalised absolute path`)
  }
  const parents: CedarUid[] = []
  for (let at = path; at !== '/';) {
    at = posix.dirname(at)
    parents.push(uidOf('Path', at))
    if (parents.length > PATH_DEPTH_MAX) throw new RequestInvalidError('its path is too deep')
  }
  const { home } = facts
  const isWeaverHome = home !== null && (isPathWithin(path, home) || isPathWithin(home, path))
  return { uid: uidOf('Path', path), attrs: { path, isWeaverHome }, parents }
}

function hostEntity(text: string): CedarEntity {
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, Math.max(colon, 0))
  const port = text.slice(colon + 1)
  if (host === '' || !/^(?:\*|\d{1,5})$/.test(port)) {
    throw new RequestInvalidError(`'${text.slice(0, 64)}' is not HOST:PORT`)
  }
  const attrs = { host, port: port === '*' ? 0 : Number(port) }
  return { uid: uidOf('Host', text), attrs, parents: [] }
}

type Context = { [key: string]: CedarValue }

/** Only what the schema gives this kind of act: whatever else a request says is recorded, and decides nothing. */
function contextOf(request: GateRequest, facts: PolicyFacts): Context {
  const { context } = request
  switch (request.action) {
    case 'agent.spawn':
    case 'process.spawn':
    case 'process.exec':
    case 'task.submit':
    case 'task.accept':
      return startContext(request, facts)
    case 'process.signal':
      return { signal: textOf(context, 'signal') }
    case 'task.signal':
      return { signal: textOf(context, 'signal'), isOwn: context['isOwn'] === true }
    case 'mesh.role':
      return { role: textOf(context, 'role') }
    case 'mesh.label':
      return {
        labels: [...textsOf(context, 'labels')],
        removed: [...textsOf(context, 'removed')]
      }
    case 'mesh.signatures':
      return { signatures: wholeOf(context, 'signatures') }
    case 'secret.write':
      return { change: textOf(context, 'change') }
    case 'blob.pin':
    case 'blob.put':
      return { pinned: context['pinned'] === true }
    case 'policy.apply':
      return { digest: textOf(context, 'digest') }
    case 'approval.decide':
      return {
        action: textOf(context, 'action'),
        requester: textOf(context, 'requester'),
        isOwnRequest: context['isOwnRequest'] !== false
      }
    case 'tool.call':
      return {
        ...(typeof context['digest'] === 'string' ? { digest: context['digest'] } : {}),
        ...(typeof context['inputBytes'] === 'number' ? { inputBytes: context['inputBytes'] } : {}),
        ...grantOf(context)
      }
    case 'ipc.send':
      return grantOf(context)
    case 'task.cancel':
    case 'agent.stop':
      return { isOwn: context['isOwn'] === true }
    default:
      return {}
  }
}

function startContext({ context, command }: GateRequest, facts: PolicyFacts): Context {
  const argv = command ?? textsOf(context, 'argv')
  const bytes = argv.reduce((sum, item) => sum + Buffer.byteLength(item) + 1, 0)
  if (argv.length === 0) throw new RequestInvalidError('its command is empty')
  if (bytes > ARGUMENTS_BYTES_MAX) {
    throw new RequestInvalidError(`its command has ${bytes} bytes, at most ${ARGUMENTS_BYTES_MAX}`)
  }
  const cwd = typeof context['cwd'] === 'string' ? context['cwd'] : null
  const environment = [...textsOf(context, 'envNames')]
  const found = facts.analyse(argv, cwd, environment)
  // A command that was cut before it came here has not been seen whole, whatever the reading says.
  const isWhole = command !== undefined || (context['argvCut'] ?? 0) === 0
  const epoch = context['epoch']
  const gpu = gpusOf(context)
  return {
    line: commandLine(argv),
    arguments: [...argv],
    cwd: cwd ?? '',
    environment,
    containment: context['containment'] === 'os' ? 'os' : 'none',
    grants: context['grants'] === undefined ? [] : [...textsOf(context, 'grants')],
    command: {
      program: found.program,
      programs: [...found.programs],
      risks: [...found.risks],
      isAnalysable: found.isAnalysable && isWhole,
      reads: [...found.reads],
      writes: [...found.writes],
      hosts: [...found.hosts]
    },
    ...(typeof epoch === 'number' ? { epoch } : {}),
    ...(gpu === null ? {} : { gpu: { ...gpu } }),
    ...(typeof context['image'] === 'string' ? { image: context['image'] } : {}),
    ...(typeof context['role'] === 'string' ? { role: context['role'] } : {}),
    ...(typeof context['runtime'] === 'string' ? { runtime: context['runtime'] } : {})
  }
}

/** The schema's `Gpu`: all of it is always there, so that a rule on one of them need not ask first. */
export interface GpuFacts {
  readonly count: number
  /** Empty: any. */
  readonly vendor: string
  /** The least of each; 0: any. */
  readonly memoryBytes: number
}

/**
 * The GPUs that are asked for; null: none.
 * @throws WeaverError `GOVERNANCE_REQUEST_INVALID`
 */
export function gpusOf({ gpu }: Said): GpuFacts | null {
  if (gpu === undefined || gpu === null) return null
  if (!isMap(gpu)) throw new RequestInvalidError('its gpu is no record')
  return {
    count: wholeOf(gpu, 'count'),
    vendor: gpu['vendor'] === null ? '' : textOf(gpu, 'vendor'),
    memoryBytes: gpu['memoryBytes'] === null ? 0 : wholeOf(gpu, 'memoryBytes')
  }
}

/** What a process was granted that it now uses: said by the kernel, after it was checked. */
function grantOf(context: Said): Context {
  return typeof context['grant'] === 'string' ? { grant: context['grant'] } : {}
}

type Said = GateRequest['context']

function textOf(context: Said, key: string): string {
  const value = context[key]
  if (typeof value === 'string') return value
  throw new RequestInvalidError(`its ${key} is no text`)
}

function wholeOf(context: Said, key: string): number {
  const value = context[key]
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new RequestInvalidError(`its ${key} is no whole number`)
}

function textsOf(context: Said, key: string): readonly string[] {
  const value = context[key]
  if (!isList(value) || value.length > ITEMS_MAX * 16) {
    throw new RequestInvalidError(`its ${key} is no list of texts`)
  }
  return value.map((item) => {
    if (typeof item === 'string') return item
    throw new RequestInvalidError(`its ${key} is no list of texts`)
  })
}

function isMap(value: Cbor): value is Said {
  const isObject = typeof value === 'object' && value !== null
  return isObject && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function isList(value: Cbor | undefined): value is readonly Cbor[] {
  return Array.isArray(value)
}

/** Where nothing reads commands: nothing is known of any. */
export function unreadCommand(argv: readonly string[]): CommandFacts {
  const program = posix.basename(argv[0] ?? '')
  return {
    program,
    programs: [program],
    risks: [],
    isAnalysable: false,
    reads: [],
    writes: [],
    hosts: []
  }
}
