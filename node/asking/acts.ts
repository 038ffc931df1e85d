// What a process's wish comes down to: the acts that policy decides on, and the grants that it must hold for
// them. Pure.
//
// Invariants
//   N1. An act that is not in this file is not for processes.
//   N2. Whatever a process hands on, it must hold itself; what is of this machine it hands on nowhere else.

import { parseGrant, taskId } from '../../core/index.ts'
import type { Grant, NodeId, TaskId } from '../../core/index.ts'
import { DEFAULT_ROLE, isRoleWithin } from '../../governance/index.ts'
import type { GateRequest } from '../../governance/index.ts'
import { handedOver } from '../spawn-gate.ts'
import { DEPTH_MAX, HANDED_ON_MAX } from './limits.ts'
import { depthOf, mayAsk } from './rights.ts'
import type { Rights } from './rights.ts'

export interface Wish {
  /** Decided together, the first of them the act itself. */
  readonly acts: readonly [GateRequest, ...GateRequest[]]
  readonly needs: readonly Grant[]
  /** The task that it would submit. */
  readonly submits: TaskId | null
}

export type Withheld = NonNullable<GateRequest['withheld']>

export interface Surroundings {
  readonly self: NodeId
  readonly rights: Rights
  /** Whether the resource is something that this process has started. */
  readonly isOwn: (resource: string) => boolean
  /** The name of a node. */
  readonly nameOf: (node: string) => string
}

const UNCONTAINED: Withheld = {
  rule: 'capability.contained-only',
  hint: 'what a process starts is contained'
}

/** What a process asks for, taken apart; or why it may not ask at all. */
export function wishOf(request: GateRequest, around: Surroundings): Wish | Withheld {
  const { action, resource } = request
  switch (action) {
    case 'tool.call':
      if (request.context['containment'] !== 'os') return UNCONTAINED
      return used(request, { kind: 'tool', name: nameIn(resource) })
    case 'ipc.send':
      return used(request, { kind: 'ipc', name: nameIn(resource) })
    case 'task.submit':
      return submission(request, around)
    case 'agent.spawn':
      return spawning(request, around)
    case 'task.cancel':
    case 'task.signal':
    case 'agent.stop': {
      if (!around.isOwn(resource)) {
        return withheld('not-its-own', 'a process ends and signals only what it has started')
      }
      const own = { ...request, context: { ...request.context, isOwn: true } }
      return { acts: [own], needs: [], submits: null }
    }
    default:
      return withheld('not-for-processes', 'do it yourself, outside the process') // N1
  }
}

export function withheld(what: string, hint: string): Withheld {
  return { rule: `capability.${what}`, hint }
}

function used(request: GateRequest, grant: Grant & { readonly name: string }): Wish {
  const text = `${grant.kind}:${grant.name}`
  const act = { ...request, context: { ...request.context, grant: text } }
  return { acts: [act], needs: [grant], submits: null }
}

function submission(request: GateRequest, around: Surroundings): Wish | Withheld {
  const { context, command = [], environment = {} } = request
  const grants = grantsIn(request)
  const node = context['node']
  const isHere = node === around.self
  const why = notHandedOn(request, around, grants)
  if (why !== null) return why
  if (!isHere && grants.some(({ kind }) => OF_MACHINE.has(kind))) {
    return withheld('not-elsewhere', 'paths and variables of this machine are handed on here alone')
  }
  const exec = { ...request, action: 'process.exec' } as const
  // A variable may name another program, or make it load other code; in an image every name is another program.
  const mayBeOther = Object.keys(environment).length > 0 || typeof context['image'] === 'string'
  const program = mayBeOther ? '*' : programOf(command)
  const gpu: readonly Grant[] =
    (context['gpu'] ?? null) === null ? [] : [{ kind: 'delegate', name: 'gpu' }]
  return {
    acts: [exec, ...(isHere ? [] : [request]), ...handedOver(request)],
    needs: [
      { kind: 'exec', name: program },
      // A GPU is not this process's to use, wherever it is.
      ...(isHere ? gpu : [delegation(request, around)]),
      ...grants
    ],
    submits: taskId(nameIn(request.resource))
  }
}

const OF_MACHINE: ReadonlySet<Grant['kind']> = new Set(['fs.read', 'fs.write', 'env'])

/** A name that a grant can have; whatever is called otherwise needs the right to run anything. */
function programOf([program = '']: readonly string[]): string {
  return /^[A-Za-z0-9_/.][A-Za-z0-9._/+-]{0,255}$/.test(program) ? program : '*'
}

/** A task for one node by its name is covered by that name; one that only needs a GPU by `delegate:gpu`. */
function delegation({ context }: GateRequest, { nameOf }: Surroundings): Grant {
  const { node, gpu, labels } = context
  if (typeof node === 'string') return { kind: 'delegate', name: nameOf(node) }
  const hasLabels = typeof labels === 'object' && Object.keys(labels ?? {}).length > 0
  return { kind: 'delegate', name: (gpu ?? null) !== null && !hasLabels ? 'gpu' : '*' }
}

function spawning(request: GateRequest, around: Surroundings): Wish | Withheld {
  const grants = grantsIn(request)
  const why = notHandedOn(request, around, grants)
  if (why !== null) return why
  const name = nameIn(request.resource)
  const child = { kind: 'agent', name, role: roleIn(request) ?? DEFAULT_ROLE } as const
  // What it is to run is judged as what it will be.
  const start = { ...request, principal: child, action: 'process.exec' } as const
  const needs: readonly Grant[] = [{ kind: 'spawn' }, ...grants]
  return { acts: [request, start, ...handedOver(request)], needs, submits: null }
}

/** What holds for whatever a process starts (N2). */
function notHandedOn(
  request: GateRequest,
  { self, rights }: Surroundings,
  grants: readonly Grant[]
): Withheld | null {
  const { sandbox, origin } = rights
  if (request.context['containment'] !== 'os') {
    return UNCONTAINED
  }
  if (!isRoleWithin(roleIn(request), sandbox.role ?? null)) {
    const own = sandbox.role ?? DEFAULT_ROLE
    return withheld('role-exceeds', `a process in role ${own} starts others in roles within it`)
  }
  if (grants.length > HANDED_ON_MAX) {
    return withheld('too-many-grants', `hand on at most ${HANDED_ON_MAX} grants at once`)
  }
  if (mayAsk(grants) && depthOf(rights) >= DEPTH_MAX) {
    return withheld('too-deep', 'what is started so far down asks its kernel for nothing')
  }
  if (origin !== self && grants.some(({ kind }) => kind === 'secret')) {
    return withheld('not-its-secret', 'secrets that came from another node are handed on by nobody')
  }
  return null
}

function grantsIn({ context }: GateRequest): readonly Grant[] {
  const texts: readonly unknown[] = Array.isArray(context['grants']) ? context['grants'] : []
  return texts.filter((text) => typeof text === 'string').map((text) => parseGrant(text))
}

function roleIn({ context }: GateRequest): string | null {
  return typeof context['role'] === 'string' ? context['role'] : null
}

function nameIn(resource: string): string {
  return resource.slice(resource.indexOf(':') + 1)
}
