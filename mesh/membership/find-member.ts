// Whom a user means by a word: a name, a node id, or a unique beginning of one.

import { MeshError } from '../errors.ts'
import type { Member } from './fold.ts'
import { checkDigits, parseNodeIdText } from './node-id-text.ts'

/** @throws MeshError `MESH_NODE_ID_MISTYPED`: the check digits say that another id was meant */
export function findMember(members: readonly Member[], text: string): Member | null {
  const named = members.find(({ name }) => name === text)
  if (named !== undefined) return named
  if (text === '') return null
  const typed = parseNodeIdText(text)
  const meant = members.filter(({ nodeId }) => nodeId.startsWith(typed?.start ?? text))
  const digits = typed?.digits ?? null
  if (digits === null) return onlyOne(meant)
  const found = onlyOne(meant.filter(({ nodeId }) => checkDigits(nodeId) === digits))
  if (found !== null) return found
  throw new MeshError(
    'MESH_NODE_ID_MISTYPED',
    `Cannot find node '${text.slice(0, 80)}': its last three digits do not fit the rest, so a ` +
      'character is wrong'
  )
}

function onlyOne(members: readonly Member[]): Member | null {
  const [found, ...others] = members
  return found === undefined || others.length > 0 ? null : found
}
