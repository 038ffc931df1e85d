// The line that would grant what was denied, and nothing that was not asked: ready to be pasted.
//
// Invariants
//   W1. A pasted line grants no other command, image, role, containment or GPUs than were denied. What cannot be
//       written so narrowly has no line.

import type { CedarCall, CedarUid } from './cedar-engine.ts'
import type { GateRequest } from './request.ts'

/** Resources whose ids are new each time: a policy about one of them would never fit again. */
const PASSING: ReadonlySet<string> = new Set([
  'Weft::Task',
  'Weft::Process',
  'Weft::Approval',
  'Weft::Entry'
])
/** Of a command in a condition: nobody reads a longer one before pasting it. */
const LINE_LENGTH_MAX = 200

/** What to do about a denial, with the line quoted for a shell. */
export function grantingHint(request: GateRequest, call: CedarCall): string {
  const policy = grantingPolicy(request, call)
  if (policy === null) {
    return 'the command is too long for a line to paste: write a policy for it, as docs/policy.md shows'
  }
  return `weaver policy add '${policy.replaceAll("'", String.raw`'\''`)}'`
}

function grantingPolicy({ action }: GateRequest, call: CedarCall): string | null {
  const parents = call.entities.find(({ uid }) => isSame(uid, call.principal))?.parents ?? []
  const agent = parents.find(({ type }) => type === 'Weft::Agent')
  // A pid is never used again: what a process may do, its agent may.
  const group = agent ?? parents.find(({ type }) => type === 'Weft::Role')
  const principal =
    group === undefined || call.principal.type !== 'Weft::Process'
      ? `principal == ${written(call.principal)}`
      : `principal in ${written(group)}`
  const resource = PASSING.has(call.resource.type)
    ? 'resource'
    : `resource == ${written(call.resource)}`
  const { line } = call.context
  if (typeof line === 'string' && line.length > LINE_LENGTH_MAX) return null // W1
  const condition = typeof line === 'string' ? ` when { ${startConditions(line, call)} }` : ''
  return `permit (${principal}, action == Weft::Action::${quoted(action)}, ${resource})${condition};`
}

// W1
function startConditions(line: string, { context }: CedarCall): string {
  const { containment, image, role, gpu } = context
  const conditions = [
    `context.line == ${quoted(line)}`,
    `context.containment == ${quoted(containment === 'os' ? 'os' : 'none')}`,
    optional('image', image),
    optional('role', role),
    gpuConditions(gpu)
  ]
  return conditions.join(' && ')
}

function optional(name: string, value: unknown): string {
  return typeof value === 'string'
    ? `context has ${name} && context.${name} == ${quoted(value)}`
    : `!(context has ${name})`
}

function gpuConditions(gpu: CedarCall['context'][string] | undefined): string {
  if (typeof gpu !== 'object' || Array.isArray(gpu)) return '!(context has gpu)'
  const of = Object.entries(gpu).map(([name, value]) => {
    return `context.gpu.${name} == ${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`
  })
  return ['context has gpu', ...of].join(' && ')
}

function written({ type, id }: CedarUid): string {
  return `${type}::${quoted(id)}`
}

/** As Cedar writes a text. */
export function quoted(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is escaped
  const escaped = text.replaceAll(/[\\"\u0000-\u001F\u007F-\u009F]/g, (character) =>
    character === '\\' || character === '"'
      ? `\\${character}`
      : `\\u{${character.charCodeAt(0).toString(16)}}`
  )
  return `"${escaped}"`
}

function isSame(one: CedarUid, other: CedarUid): boolean {
  return one.type === other.type && one.id === other.id
}
