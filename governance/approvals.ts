// What waits for somebody to approve it.
//
// Invariants
//   A1. An approval is for one hash: arguments, folder, environment, files, principal, node, and all that was
//       asked together. It is given out once, before its deadline.
//   A2. Only what is pending can be decided, and a decision counts when it is durable in the lane.
//   A3. Numbers are never used again on a node, restarts included.
//   A4. A restart leaves nothing: what waited is denied, and the lane says so.

import { encodeCbor, formatBytes, millis, shake256, toHex, utf8 } from '../core/index.ts'
import type { Cbor, Clock, KeyValueStore, Logger, Millis, NodeId } from '../core/index.ts'
import { gpusOf } from './cedar-request.ts'
import {
  ApprovalChangedError,
  ApprovalNotDecidableError,
  ApprovalsFullError,
  askedText
} from './errors.ts'
import { APPROVAL_DEADLINE_MS, APPROVALS_MAX, APPROVALS_OF_ONE_MAX } from './limits.ts'
import type { ApprovalDesk, EntryDraft, GateLedger, OpenedApproval, Sighting } from './ports.ts'
import { principalText } from './request.ts'
import type { GateRequest } from './request.ts'

/** What of the machine decides what would run. */
export interface MachineView {
  /** The program as it would be found now, and the plain files that its arguments name. */
  readonly files: readonly {
    readonly path: string
    readonly realPath: string
    readonly device: number
    readonly inode: number
    readonly digest: string
  }[]
  readonly cwd: {
    readonly realPath: string
    readonly device: number
    readonly inode: number
  } | null
}

export type ApprovalState = 'pending' | 'approved' | 'denied' | 'expired' | 'used'

export interface ApprovalView {
  readonly number: number
  readonly reference: string
  readonly action: string
  readonly principal: string
  readonly what: string
  readonly hash: string
  readonly requestedAt: number
  readonly expiresAt: number
  readonly state: ApprovalState
  readonly why: string
  readonly argv: readonly string[]
  readonly cwd: string | null
  readonly environment: readonly string[]
  readonly files: Sighting['files']
  readonly destinations: readonly string[]
  readonly decidedBy: string | null
}

export interface ApprovalsDeps {
  readonly ledger: GateLedger
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly log: Logger
  /** Looks at a command as it would be started now. Rejects for what it cannot look at. */
  readonly look: (
    argv: readonly string[],
    options: {
      readonly cwd: string | null
      readonly environment: Readonly<Record<string, string>>
      /** Where its names are looked up: among what these grants and this image show it; null: on the machine itself. */
      readonly inside: Inside | null
    }
  ) => Promise<MachineView>
}

/** What a contained command sees. */
export interface Inside {
  readonly grants: readonly string[]
  readonly image: string | null
}

export interface ApprovalsOptions {
  readonly self: NodeId
  /** Of this node, in references. */
  readonly name: () => string
  readonly deadlineMs?: Millis
}

interface Held {
  view: ApprovalView
  readonly deadline: Millis
  readonly requests: readonly GateRequest[]
}

const NUMBER_KEY = 'approvals/next'
const PENDING_PREFIX = 'approvals/pending/'
/** Numbers are set aside durably before they are given out, so many at a time. */
const NUMBERS_AHEAD = 1000
/** Acts whose resource has a new id each time: the approval is for what is done, not for the id. */
const FRESH: ReadonlySet<string> = new Set(['task.submit', 'process.exec', 'process.spawn'])
/** Acts that may name another node: what runs there. */
const SENT: ReadonlySet<string> = new Set(['task.submit', 'process.exec', 'agent.spawn'])
/** In every request, and no part of what would run: an offer that is repeated has another epoch. */
const PASSING_KEYS: ReadonlySet<string> = new Set(['epoch', 'pid', 'restarts'])

export class Approvals implements ApprovalDesk {
  readonly #deps: ApprovalsDeps
  readonly #options: ApprovalsOptions
  readonly #held = new Map<number, Held>()
  /** What was approved and taken, by the resource it was for: looked at again where it is started. */
  readonly #taken = new Map<string, Held>()
  #next = 1
  #reserved = 1

  constructor(deps: ApprovalsDeps, options: ApprovalsOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** Denies what waited when the kernel before ended (A4), and sets numbers aside (A3). */
  async start(): Promise<void> {
    const { store, ledger } = this.#deps
    const stored = await store.get(NUMBER_KEY)
    const next = stored === null ? 1 : Number(new TextDecoder().decode(stored))
    this.#next = Number.isSafeInteger(next) && next > 0 ? next : 1
    this.#reserved = this.#next + NUMBERS_AHEAD
    const left = await store.list(PENDING_PREFIX)
    if (left.length > 0) {
      await ledger.record(
        left.map(([key]) => ({
          kind: 'approval.decided',
          actor: `node:${this.#options.self}`,
          subject: `approval:${key.slice(PENDING_PREFIX.length)}`,
          payload: { outcome: 'denied', why: 'the kernel was restarted' }
        }))
      )
    }
    await store.write([
      { key: NUMBER_KEY, value: utf8(String(this.#reserved)) },
      ...left.map(([key]) => ({ key, value: null }))
    ])
  }

  async see(requests: readonly GateRequest[]): Promise<Sighting> {
    const views: MachineView[] = []
    for (const request of requests) {
      const { argv, cwd, inside } = commandOf(request)
      // What will run elsewhere is not looked at here: that node has a policy of its own.
      if (argv.length === 0 || this.#runsElsewhere(request)) continue
      views.push(
        await this.#deps.look(argv, { cwd, environment: request.environment ?? {}, inside })
      )
    }
    const said: Cbor = [this.#options.self, requests.map(boundTo), views.map(viewCbor)]
    const files = views.flatMap((view) => view.files.map(({ path, digest }) => ({ path, digest })))
    return { hash: toHex(shake256('weft/approval/1', encodeCbor(said))), files }
  }

  find(
    requests: readonly GateRequest[],
    { hash }: Sighting
  ): { readonly state: 'approved' | 'denied'; readonly reference: string } | null {
    this.#expire()
    for (const held of this.#held.values()) {
      const { state, reference } = held.view
      if (held.view.hash !== hash || (state !== 'approved' && state !== 'denied')) continue
      // Synchronous with the look: nobody else takes it (A1).
      if (state === 'approved') {
        held.view = { ...held.view, state: 'used' }
        const [first] = requests
        if (first !== undefined) this.#remember(first.resource, { ...held, requests })
      } else this.#held.delete(held.view.number)
      return { state, reference }
    }
    return null
  }

  open(requests: readonly GateRequest[], sighting: Sighting, why: string): OpenedApproval {
    this.#expire()
    for (const { view } of this.#held.values()) {
      if (view.hash === sighting.hash && view.state === 'pending') {
        return { reference: view.reference, number: view.number, entry: null }
      }
    }
    this.#checkShare(requests)
    this.#makeRoom()
    const number = this.#next
    if (number >= this.#reserved) throw new ApprovalsFullError(NUMBERS_AHEAD)
    this.#next += 1
    const view = this.#viewOf(number, { requests, sighting, why })
    const deadline = millis(this.#deps.clock.now() + this.#deadlineMs())
    this.#held.set(number, { view, deadline, requests })
    this.#keep([{ key: `${PENDING_PREFIX}${view.reference}`, value: utf8(view.hash) }])
    return { number, reference: view.reference, entry: requestedEntry(view) }
  }

  drop(number: number): void {
    const held = this.#held.get(number)
    this.#held.delete(number)
    if (held !== undefined)
      this.#keep([{ key: `${PENDING_PREFIX}${held.view.reference}`, value: null }])
  }

  /** Newest last: what waits, and the last ones decided. */
  list(): readonly ApprovalView[] {
    this.#expire()
    return [...this.#held.values()].map(({ view }) => view)
  }

  show(number: number): ApprovalView | null {
    return this.list().find((view) => view.number === number) ?? null
  }

  /** The request that it waits for, for the gate that decides who may decide it. */
  asker(number: number): string | null {
    return this.show(number)?.principal ?? null
  }

  /**
   * What is to be recorded when it is decided so; nothing has happened yet.
   * @throws WeaverError `GOVERNANCE_APPROVAL_NOT_DECIDABLE`: not pending, or not what the approver saw
   */
  decision(
    number: number,
    decided: { readonly approve: boolean; readonly hash: string | null; readonly by: string }
  ): EntryDraft {
    const view = this.#pending(number)
    if (decided.hash !== null && decided.hash !== view.hash) {
      throw new ApprovalNotDecidableError(view.reference, 'it is for something else than you saw')
    }
    return {
      kind: 'approval.decided',
      actor: decided.by,
      subject: `approval:${view.reference}`,
      payload: { outcome: decided.approve ? 'approved' : 'denied', hash: view.hash }
    }
  }

  /** After the entry of `decision` is durable (A2). @throws WeaverError as `decision`, where time ran out */
  settle(number: number, approve: boolean, by: string): ApprovalView {
    const view = this.#pending(number)
    const held = this.#held.get(number)
    const next: ApprovalView = { ...view, state: approve ? 'approved' : 'denied', decidedBy: by }
    if (held !== undefined) held.view = next
    this.#keep([{ key: `${PENDING_PREFIX}${view.reference}`, value: null }])
    return next
  }

  /**
   * Looks again, where it is started, at what an approval was taken for: null where there was none.
   * @throws WeaverError `GOVERNANCE_APPROVAL_CHANGED`
   */
  async confirm(resource: string): Promise<void> {
    const held = this.#taken.get(resource)
    if (held === undefined) return
    const { reference, hash } = held.view
    this.#taken.delete(resource)
    const now = await this.see(held.requests).catch((error: unknown) => String(error))
    if (typeof now === 'string') throw new ApprovalChangedError(reference, now)
    if (now.hash !== hash) {
      throw new ApprovalChangedError(
        reference,
        'a file, folder or variable of it has changed since'
      )
    }
  }

  #pending(number: number): ApprovalView {
    const view = this.show(number)
    const reference = `${number}@${this.#options.name()}`
    if (view === null) throw new ApprovalNotDecidableError(reference, 'there is none')
    if (view.state === 'pending') return view
    throw new ApprovalNotDecidableError(reference, `it is ${view.state}`)
  }

  #expire(): void {
    const now = this.#deps.clock.now()
    for (const held of this.#held.values()) {
      const { state, reference } = held.view
      if ((state !== 'pending' && state !== 'approved') || now < held.deadline) continue
      held.view = { ...held.view, state: 'expired' }
      this.#keep([{ key: `${PENDING_PREFIX}${reference}`, value: null }])
      this.#recordExpiry(held.view)
    }
  }

  #recordExpiry({ reference, hash }: ApprovalView): void {
    const entry = {
      kind: 'approval.decided',
      actor: `node:${this.#options.self}`,
      subject: `approval:${reference}`,
      payload: { outcome: 'expired', hash }
    }
    this.#deps.ledger.record([entry]).catch((error: unknown) => {
      this.#deps.log.error('Cannot record an expired approval', { reference, why: String(error) })
    })
  }

  /** Nobody but the owner can fill the desk, and so keep others from asking. */
  #checkShare([first]: readonly GateRequest[]): void {
    if (first === undefined || first.principal.kind === 'owner') return
    const asker = principalText(first.principal)
    const own = [...this.#held.values()].filter(({ view }) => {
      return view.state === 'pending' && view.principal === asker
    })
    if (own.length >= APPROVALS_OF_ONE_MAX) throw new ApprovalsFullError(APPROVALS_OF_ONE_MAX)
  }

  #makeRoom(): void {
    if (this.#held.size < APPROVALS_MAX) return
    const over = [...this.#held.values()].find(
      ({ view }) => view.state !== 'pending' && view.state !== 'approved'
    )
    if (over === undefined) throw new ApprovalsFullError(APPROVALS_MAX)
    this.#held.delete(over.view.number)
  }

  #remember(resource: string, held: Held): void {
    this.#taken.set(resource, held)
    const [oldest] = this.#taken.keys()
    if (this.#taken.size > APPROVALS_MAX && oldest !== undefined) this.#taken.delete(oldest)
  }

  #viewOf(
    number: number,
    from: {
      readonly requests: readonly GateRequest[]
      readonly sighting: Sighting
      readonly why: string
    }
  ): ApprovalView {
    const { requests, sighting, why } = from
    const first = requests[0]
    const { argv, cwd } = first === undefined ? { argv: [], cwd: null } : commandOf(first)
    const now = this.#deps.clock.wall()
    return {
      number,
      reference: `${number}@${this.#options.name()}`,
      action: first?.action ?? '',
      principal: first === undefined ? '' : principalText(first.principal),
      what: first === undefined ? '' : askedText(first),
      hash: sighting.hash,
      requestedAt: now,
      expiresAt: now + this.#deadlineMs(),
      state: 'pending',
      why,
      argv,
      cwd,
      environment: Object.keys(first?.environment ?? {}).toSorted(),
      files: sighting.files,
      destinations: requests.map(destinationText),
      decidedBy: null
    }
  }

  #runsElsewhere({ action, context }: GateRequest): boolean {
    const node = context['node']
    return SENT.has(action) && typeof node === 'string' && node !== this.#options.self
  }

  #deadlineMs(): Millis {
    return this.#options.deadlineMs ?? APPROVAL_DEADLINE_MS
  }

  /** What the next start denies (A4). Best effort: the lane has the request in any case. */
  #keep(writes: Parameters<KeyValueStore['write']>[0]): void {
    this.#deps.store.write(writes).catch((error: unknown) => {
      this.#deps.log.error('Cannot keep the state of an approval', { why: String(error) })
    })
  }
}

/** What is asked for, with what decides where and as whom it would run: the rest of a view says the command. */
function destinationText({ action, resource, context }: GateRequest): string {
  const facts = ['image', 'role', 'node', 'gpu', 'restart'].flatMap((name) => {
    const value = name === 'gpu' ? gpuText(context) : context[name]
    return typeof value === 'string' ? [`${name} ${value}`] : []
  })
  return [`${action} ${resource}`, ...facts].join(', ')
}

/** In the form in which they are asked for. */
function gpuText(context: GateRequest['context']): string | null {
  const gpus = gpusOf(context)
  if (gpus === null) return null
  const memory = gpus.memoryBytes === 0 ? '' : formatBytes(gpus.memoryBytes).replace(' ', '')
  return [gpus.vendor, String(gpus.count), memory].filter((part) => part !== '').join(':')
}

function requestedEntry(view: ApprovalView): EntryDraft {
  return {
    kind: 'approval.requested',
    actor: view.principal,
    subject: `approval:${view.reference}`,
    payload: {
      action: view.action,
      what: view.what,
      hash: view.hash,
      why: view.why,
      expiresAt: view.expiresAt,
      files: view.files.slice(0, 64).map((file) => ({ ...file })),
      destinations: view.destinations.slice(0, 160)
    }
  }
}

function commandOf({ command, context }: GateRequest): {
  readonly argv: readonly string[]
  readonly cwd: string | null
  readonly inside: Inside | null
} {
  const said: unknown = context['argv']
  const argv = command ?? (Array.isArray(said) ? said.map(String) : [])
  const cwd = context['cwd']
  return { argv, cwd: typeof cwd === 'string' ? cwd : null, inside: insideOf(context) }
}

function insideOf({ containment, grants, image }: GateRequest['context']): Inside | null {
  if (containment !== 'os') return null
  const texts: readonly unknown[] = Array.isArray(grants) ? grants : []
  return {
    grants: texts.filter((text) => typeof text === 'string'),
    image: typeof image === 'string' ? image : null
  }
}

/** Everything of a request that decides what would happen, whole. */
function boundTo(request: GateRequest): Cbor {
  const { principal, action, resource, context, command, environment } = request
  const kept = Object.entries(context).filter(([key]) => !PASSING_KEYS.has(key))
  return {
    principal: principalText(principal),
    action,
    resource: FRESH.has(action) ? '' : resource,
    context: Object.fromEntries(kept),
    command: command === undefined ? null : [...command],
    environment: environment === undefined ? null : { ...environment }
  }
}

function viewCbor({ files, cwd }: MachineView): Cbor {
  return { files: files.map((file) => ({ ...file })), cwd: cwd === null ? null : { ...cwd } }
}
