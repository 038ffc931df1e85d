// Rules in words, for people who do not read Cedar.

import { ACTIONS, isAction } from './action.ts'
import type { CedarUid, Scope } from './cedar-engine.ts'
import type { Rule } from './rules.ts'

const GROUPS: Readonly<Record<string, string>> = {
  work: 'do what members do for each other',
  start: 'start commands',
  grant: 'be granted anything',
  govern: 'change who may do what'
}

export function ruleWords(rule: Rule): string {
  const { effect, ask, actions, principal, resource } = rule
  const what = actions === null ? 'do anything' : actions.map(actionWords).join(', ')
  const verb =
    effect === 'permit' ? 'may' : ask === null ? 'may never' : 'may only after an approval'
  const where = resource.op === 'all' ? '' : `, to ${scopeWords(resource)}`
  const conditions = conditionsOf(rule.text)
  return `${scopeWords(principal)} ${verb} ${what}${where}${conditions === '' ? '' : `, ${conditions}`}`
}

function actionWords({ id }: CedarUid): string {
  return isAction(id) ? ACTIONS[id].what : (GROUPS[id] ?? id)
}

function scopeWords(scope: Scope): string {
  switch (scope.op) {
    case '==':
      return uidWords(scope.uid)
    case 'in':
      return scope.uid.type === 'Weft::Path'
        ? `anything in ${scope.uid.id}`
        : `whoever is in ${uidWords(scope.uid)}`
    case 'is': {
      const kind = `any ${plain(scope.type)}`
      return scope.within === null ? kind : `${kind} in ${uidWords(scope.within)}`
    }
    case 'all':
    default:
      return 'anybody'
  }
}

function uidWords({ type, id }: CedarUid): string {
  if (type === 'Weft::User') return 'the owner of this home'
  if (type === 'Weft::MeshRole') return `the ${id}s of the mesh`
  if (type === 'Weft::Role') return `the role ${id}`
  return `${plain(type)} ${id}`
}

function plain(type: string): string {
  return type.replace(/^Weft::/, '').toLowerCase()
}

/** The conditions as they are written, on one line. */
function conditionsOf(text: string): string {
  const match = /\)\s*((?:when|unless)\s*\{.*)$/s.exec(text)
  return (match?.[1] ?? '').replace(/;\s*$/, '').replaceAll(/\s+/g, ' ')
}
