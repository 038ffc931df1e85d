// Denials that come again and again. Who is refused may ask as often as it likes, and must not fill the lane.
//
// Invariants
//   D1. Every denial is in the lane: by itself, or in a count that tells for whom, what and by which rule.
//   D2. Within one window a principal adds a bounded number of entries, whatever it asks; while it goes on, its windows
//       become longer.

import { encodeCbor, millis, shake256, toHex } from '../core/index.ts'
import type { Cbor, Clock, Logger, Millis } from '../core/index.ts'
import {
  DENIAL_KINDS_MAX,
  DENIAL_PRINCIPALS_MAX,
  DENIAL_WINDOW_MAX_MS,
  DENIAL_WINDOW_MS,
  DENIALS_ALONE_MAX,
  DENIALS_QUIET_MAX
} from './limits.ts'
import type { EntryDraft, GateLedger } from './ports.ts'

/** What was refused, to whom. */
export interface Denial {
  readonly principal: string
  readonly action: string
  readonly resource: string
  readonly rule: string
}

interface Counted extends Omit<Denial, 'principal'> {
  count: number
}

interface Window {
  readonly since: Millis
  readonly endsAt: Millis
  readonly lengthMs: number
  /** Those that are in the lane by themselves, and how often each came again. */
  readonly same: Map<string, Counted>
  /** The rest, by act and rule. */
  readonly others: Map<string, Counted>
  count: number
}

const EVERYBODY = 'others'

/** Which denials are told by themselves, and the counts of the rest. Pure. */
export class DenialBook {
  readonly #windows = new Map<string, Window>()
  #finished: EntryDraft[] = []

  /** Whether this one is to be recorded by itself; otherwise it is counted. */
  isNew(denial: Denial, entries: readonly EntryDraft[], now: Millis): boolean {
    const window = this.#windowOf(denial.principal, now)
    const { action, resource, rule } = denial
    const key = toHex(shake256('weft/denial/1', encodeCbor(entries.map(cborOf))))
    const same = window.same.get(key)
    if (same === undefined && window.same.size < DENIALS_ALONE_MAX) {
      window.same.set(key, { action, resource, rule, count: 0 })
      return true
    }
    window.count += 1
    if (same === undefined) addOther(window, { action, resource: '', rule })
    else same.count += 1
    return false
  }

  /** When the next count is to be told; null: nothing is counted. */
  nextAt(): Millis | null {
    const [first] = this.#finished
    if (first !== undefined) return millis(0)
    const ends = [...this.#windows.values()].filter(({ count }) => count > 0)
    return ends.length === 0 ? null : millis(Math.min(...ends.map(({ endsAt }) => endsAt)))
  }

  /** The counts of all windows that have ended; of all, where it ends itself. */
  take(now: Millis, isLast: boolean): readonly EntryDraft[] {
    for (const [principal, window] of this.#windows) {
      if (!isLast && now < window.endsAt) continue
      this.#finish(principal, window, now)
      // The next one of somebody who went on is longer: it begins with the next denial.
      if (window.count > 0 || window.same.size > DENIALS_QUIET_MAX)
        this.#windows.set(principal, windowAfter(window, now))
      else this.#windows.delete(principal)
    }
    return this.#finished.splice(0)
  }

  #windowOf(principal: string, now: Millis): Window {
    const found = this.#windows.get(principal)
    if (found !== undefined && now < found.endsAt) return found
    if (found === undefined && !this.#hasRoom(principal, now)) {
      return this.#windowOf(EVERYBODY, now)
    }
    if (found !== undefined) this.#finish(principal, found, now)
    const next = found === undefined ? newWindow(now, DENIAL_WINDOW_MS) : windowAfter(found, now)
    this.#windows.set(principal, next)
    return next
  }

  /** One place is kept for all those that there is no other place for. */
  #hasRoom(principal: string, now: Millis): boolean {
    const most = principal === EVERYBODY ? DENIAL_PRINCIPALS_MAX : DENIAL_PRINCIPALS_MAX - 1
    if (this.#windows.size < most) return true
    for (const [other, { endsAt, count }] of this.#windows) {
      if (count === 0 && endsAt <= now) this.#windows.delete(other)
    }
    return this.#windows.size < most
  }

  #finish(principal: string, window: Window, now: Millis): void {
    if (window.count === 0) return
    const same = [...window.same.values()].filter(({ count }) => count > 0)
    this.#finished.push({
      kind: 'policy.repeated',
      actor: principal,
      subject: principal,
      payload: {
        denials: window.count,
        overMs: Math.round(now - window.since),
        same: same.map((each) => ({ ...each })),
        others: [...window.others.values()].map(({ action, rule, count }) => ({
          action,
          rule,
          count
        }))
      }
    })
  }
}

function newWindow(now: Millis, lengthMs: number): Window {
  const endsAt = millis(now + lengthMs)
  return { since: now, endsAt, lengthMs, same: new Map(), others: new Map(), count: 0 }
}

/** Longer as long as it goes on, as short as the first once it is quiet. */
function windowAfter({ count, same, lengthMs }: Window, now: Millis): Window {
  const isLoud = count > 0 || same.size > DENIALS_QUIET_MAX
  return newWindow(now, isLoud ? Math.min(2 * lengthMs, DENIAL_WINDOW_MAX_MS) : DENIAL_WINDOW_MS)
}

function addOther({ others }: Window, kind: Omit<Counted, 'count'>): void {
  const own = `${kind.action} ${kind.rule}`
  const isFull = !others.has(own) && others.size >= DENIAL_KINDS_MAX
  const key = isFull ? EVERYBODY : own
  const names = isFull ? { action: EVERYBODY, resource: '', rule: EVERYBODY } : kind
  const row = others.get(key) ?? { ...names, count: 0 }
  row.count += 1
  others.set(key, row)
}

function cborOf({ kind, actor, subject, payload }: EntryDraft): Cbor {
  return { kind, actor, subject, payload }
}

export interface DenialsDeps {
  readonly ledger: GateLedger
  readonly clock: Clock
  readonly log: Logger
}

/** Tells the counts when it is time. To be stopped: it tells the last of them then. */
export class Denials {
  readonly #deps: DenialsDeps
  readonly #book = new DenialBook()
  readonly #stopped = new AbortController()
  #looking: Promise<void> | null = null

  constructor(deps: DenialsDeps) {
    this.#deps = deps
  }

  /** See `DenialBook`. */
  isNew(denial: Denial, entries: readonly EntryDraft[]): boolean {
    const isNew = this.#book.isNew(denial, entries, this.#deps.clock.now())
    if (this.#book.nextAt() !== null) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = null
      })
    }
    return isNew
  }

  /** May be called twice. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#looking
    await this.#tell(true)
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#stopped
    for (let at = this.#book.nextAt(); at !== null; at = this.#book.nextAt()) {
      try {
        await clock.sleep(millis(Math.max(0, at - clock.now())), signal)
      } catch {
        return // Stopped.
      }
      await this.#tell(false)
    }
  }

  async #tell(isLast: boolean): Promise<void> {
    const entries = this.#book.take(this.#deps.clock.now(), isLast)
    if (entries.length === 0) return
    try {
      await this.#deps.ledger.record(entries)
    } catch (error) {
      this.#deps.log.error('Cannot record how often was denied', { why: String(error) })
    }
  }
}
