// What one author's document may cost the others: steps and bytes in a time, as a bucket that refills. Who
// is over it is left alone for a while, by pulls too, so that it costs nothing at all. Pure.
//
// An honest author stays below: it publishes a step per DELTA_INTERVAL_MS at most, and waits for its own
// bucket (documents.ts), which is half of what others allow.

import { millis } from '../../core/index.ts'
import type { Millis } from '../../core/index.ts'
import {
  AUTHOR_BYTES_BURST,
  AUTHOR_BYTES_PER_SECOND,
  AUTHOR_STEPS_BURST,
  AUTHOR_STEPS_PER_SECOND,
  QUARANTINE_MS
} from '../limits.ts'

interface Account {
  steps: number
  bytes: number
  at: Millis
  quarantinedUntil: Millis
}

export class Budgets<Author> {
  readonly #accounts = new Map<Author, Account>()
  readonly #share: number

  /** `share` of the full rates and bursts. */
  constructor(options: { readonly share: number } = { share: 1 }) {
    this.#share = options.share
  }

  isQuarantined(author: Author, now: Millis): boolean {
    return now < (this.#accounts.get(author)?.quarantinedUntil ?? 0)
  }

  /** Leaves `author` alone from now on, for a while. */
  quarantine(author: Author, now: Millis): void {
    this.#account(author, now).quarantinedUntil = millis(now + QUARANTINE_MS)
  }

  /** Takes a step of `bytes` from the author's bucket. False, and nothing taken, where it is empty. */
  spend(author: Author, bytes: number, now: Millis): boolean {
    const account = this.#account(author, now)
    if (account.steps < 1 || account.bytes < bytes) return false
    account.steps -= 1
    account.bytes -= bytes
    return true
  }

  /** How long until a step of `bytes` can be afforded. */
  wait(author: Author, bytes: number, now: Millis): Millis {
    const account = this.#account(author, now)
    const steps = (1 - account.steps) / (AUTHOR_STEPS_PER_SECOND * this.#share)
    const data = (bytes - account.bytes) / (AUTHOR_BYTES_PER_SECOND * this.#share)
    return millis(Math.max(0, Math.ceil(Math.max(steps, data) * 1000)))
  }

  forget(author: Author): void {
    this.#accounts.delete(author)
  }

  #account(author: Author, now: Millis): Account {
    const [steps, bytes] = [AUTHOR_STEPS_BURST * this.#share, AUTHOR_BYTES_BURST * this.#share]
    const known = this.#accounts.get(author)
    if (known === undefined) {
      const account = { steps, bytes, at: now, quarantinedUntil: millis(0) }
      this.#accounts.set(author, account)
      return account
    }
    const seconds = (now - known.at) / 1000
    known.steps = Math.min(steps, known.steps + seconds * AUTHOR_STEPS_PER_SECOND * this.#share)
    known.bytes = Math.min(bytes, known.bytes + seconds * AUTHOR_BYTES_PER_SECOND * this.#share)
    known.at = now
    return known
  }
}
