// The line that would grant what was denied: as narrow as it can be written, ready to be pasted.

import type { CedarCall, CedarUid } from './cedar-engine.ts'
import type { GateRequest } from './request.ts'

/** Resources whose ids are new each time: a policy about one of them would never fit again. */
const PASSING: ReadonlySet<string> = new Set([
  'Weft::Task',
  'Weft::Process',
  'Weft::Approval',
  'Weft::Entry'
])
/** Of a command in a condition: longer ones are left out of it, and the line then says any command. */
const LINE_LENGTH_MAX = 200

/** Quoted for a shell. */
export function grantingLine(request: GateRequest, call: CedarCall): string {
  return `'${grantingPolicy(request, call).replaceAll("'", String.raw`'\''`)}'`
}

export function grantingPolicy({ action }: GateRequest, call: CedarCall): string {
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
  const line = call.context['line']
  const isShort = typeof line === 'string' && line.length <= LINE_LENGTH_MAX
  const condition = isShort ? ` when { context.line == ${quoted(line)} }` : ''
  return `permit (${principal}, action == Weft::Action::${quoted(action)}, ${resource})${condition};`
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
