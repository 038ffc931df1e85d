// What starts a process asks for several things at once: for the start, for each grant, and, where it is not
// to be contained, for that. All are decided before anything starts, and recorded in one append.

import { parseGrant } from '../core/index.ts'
import { grantRequest } from '../governance/index.ts'
import type { Action, Gate, GateRequest, Principal } from '../governance/index.ts'

/** The acts that start a process on this node. A task's submission starts nothing: its executor decides. */
const STARTS: ReadonlySet<Action> = new Set<Action>([
  'task.accept',
  'agent.spawn',
  'process.spawn',
  'tool.call' // Of its worker.
])

/** The same gate, for which a start says in its context how it is confined. */
export function spawnGate(gate: Gate): Gate {
  const authorizeWith: Gate['authorizeWith'] = async (request, more) => {
    const parts = partsOf(request)
    if (parts.length === 0) return await gate.authorizeWith(request, more)
    const { decisions, entries } = await gate.authorizeAll([request, ...parts], more)
    const [first] = decisions
    if (first === undefined) return await gate.authorizeWith(request, more) // Not reached.
    return { ...first, entries }
  }
  return { ...gate, authorizeWith, authorize: (request) => authorizeWith(request, []) }
}

/** What a start asks for beside itself. */
export function partsOf(request: GateRequest): GateRequest[] {
  return STARTS.has(request.action) ? handedOver(request) : []
}

/** What somebody asks for that starts something, beside the start itself. */
export function handedOver({ principal, action, resource, context }: GateRequest): GateRequest[] {
  const { grants, containment, role } = context
  const texts: readonly unknown[] = Array.isArray(grants) ? grants : []
  const wanted = texts
    .filter((text) => typeof text === 'string')
    .map((text) => parseGrant(text))
    // A task's secrets are those of the node it came from, which decides when it hands them over.
    .filter(
      ({ kind }) => kind !== 'secret' || principal.kind !== 'member' || action !== 'task.accept'
    )
  const principals: Principal[] = [principal]
  if (typeof role === 'string') {
    // A role that was named bounds what may be given to whoever is in it.
    principals.push({ kind: 'agent', name: resource.slice(resource.indexOf(':') + 1), role })
  }
  const parts = principals.flatMap((each) => wanted.map((grant) => grantRequest(each, grant)))
  if (containment === 'os') return parts
  return [{ principal, action: 'process.uncontained', resource, context: {} }, ...parts]
}
