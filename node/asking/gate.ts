// The one gate, for what processes ask. Everything that has a process for its principal passes here, whichever
// room asks it.
//
// Invariants
//   Q1. A process gets what it holds and what policy permits it, and nothing else.
//   Q2. It gets nothing that any of those above it would not get.
//   Q3. A refusal is a decision like any other: it is in the chain.

import { areGrantsWithin, formatGrant } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { Gate, GateRequest, Permits } from '../../governance/index.ts'
import { withheld, wishOf } from './acts.ts'
import type { Wish, Withheld } from './acts.ts'
import type { Authority } from './authority.ts'
import type { Children } from './children.ts'
import { ProcessEndedError } from './errors.ts'
import { above } from './rights.ts'
import type { Rights, RightsBook } from './rights.ts'

export interface AskingGateDeps {
  readonly gate: Gate
  readonly book: RightsBook
  readonly authority: Pick<Authority, 'objection'>
  /** What processes have started. */
  readonly children: Pick<Children, 'submitted' | 'notSubmitted' | 'isOwnAgent'>
  readonly nameOf: (node: string) => string
}

type Requests = Parameters<Gate['authorizeAll']>[0]
type Drafts = Parameters<Gate['authorizeWith']>[1]

/** The same gate, for which a process asks in its own name and in that of all above it. */
export function askingGate(deps: AskingGateDeps, options: { readonly self: NodeId }): Gate {
  const { gate, children } = deps
  const forProcess = async (request: GateRequest, more: Drafts): Promise<Permits> => {
    const { acts, submits, pid, rights } = await asked(request, deps, options)
    try {
      if (submits !== null) await children.submitted(submits, pid)
      const permits = await gate.authorizeAll(acts, more)
      // It may have ended while this was decided.
      if (deps.book.of(pid) !== rights) throw new ProcessEndedError(pid)
      return permits
    } catch (error) {
      if (submits !== null) children.notSubmitted(submits)
      throw error
    }
  }
  const authorizeWith: Gate['authorizeWith'] = async (request, more) => {
    if (request.principal.kind !== 'process') return await gate.authorizeWith(request, more)
    const { decisions, entries } = await forProcess(request, more)
    const [first] = decisions
    if (first === undefined) return await gate.authorizeWith(request, more) // Not reached.
    return { ...first, entries }
  }
  return {
    authorize: (request) => authorizeWith(request, []),
    authorizeWith,
    authorizeAll: async (requests: Requests, more = []) => {
      const [first, ...others] = requests
      if (first.principal.kind === 'process' && others.length === 0) return forProcess(first, more)
      // What else is asked together comes from the kernel itself; a process is never among it.
      const isForeign = requests.some(({ principal }) => principal.kind === 'process')
      return await gate.authorizeAll(isForeign ? [{ ...first, withheld: MIXED }] : requests, more)
    }
  }
}

interface Asked {
  readonly acts: Wish['acts']
  readonly submits: Wish['submits']
  readonly pid: number
  readonly rights: Rights | null
}

/** What the gate is asked in the place of what a process asked. */
async function asked(
  request: GateRequest,
  deps: AskingGateDeps,
  { self }: { readonly self: NodeId }
): Promise<Asked> {
  const pid = request.principal.kind === 'process' ? request.principal.pid : 0
  const rights = deps.book.of(pid)
  const refused = (why: Withheld): Asked => {
    return { acts: [{ ...request, withheld: why }], submits: null, pid, rights }
  }
  const { nameOf, children } = deps
  const isOwn = (resource: string): boolean => {
    const name = resource.slice(resource.indexOf(':') + 1)
    if (resource.startsWith('agent:')) return children.isOwnAgent(pid, name)
    return resource.startsWith('task:') && deps.book.tasksOf(pid).some((id) => id === name)
  }
  if (rights === null) {
    // What it left behind is ended in its name.
    if (request.action !== 'task.cancel' || !isOwn(request.resource)) return refused(ENDED)
    const act = { ...request, context: { ...request.context, isOwn: true } }
    return { acts: [act], submits: null, pid, rights }
  }
  const wish = wishOf(request, { self, rights, isOwn, nameOf })
  if ('rule' in wish) return refused(wish)
  const why = await objection(rights, wish, deps)
  if (why !== null) return refused(why)
  const [first, ...rest] = wish.acts
  const acts = [first, ...rest, ...above(rights).flatMap((one) => inNameOf(one, wish))] as const
  return { acts, submits: wish.submits, pid, rights }
}

const MIXED: Withheld = withheld('not-alone', 'a process asks for one thing at a time')
const ENDED: Withheld = withheld('ended', 'a process that has ended asks for nothing')

// Q1
async function objection(
  rights: Rights,
  { needs }: Wish,
  { authority }: AskingGateDeps
): Promise<Withheld | null> {
  const lacking = needs.find((grant) => !areGrantsWithin([grant], rights.sandbox.grants))
  if (lacking !== undefined) {
    return withheld('not-held', `start it with --grant ${formatGrant(lacking)}`)
  }
  if (needs.length === 0) return null
  const why = await authority.objection(rights, needs)
  return why === null ? null : withheld('not-valid', `its authority does not hold now: ${why}`)
}

// Q2
function inNameOf({ pid }: Rights, { acts }: Wish): GateRequest[] {
  return acts.flatMap((act) =>
    act.principal.kind === 'process'
      ? [{ ...act, principal: { kind: 'process', pid } as const }]
      : []
  )
}
