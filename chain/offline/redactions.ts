// Payloads that are not there, and the entries that say who took them out.

import type { Members } from './mesh.ts'
import type { Entry } from './block.ts'
import type { Findings } from './report.ts'

export const REDACTED_KIND = 'chain.redacted'
const SUBJECT_PREFIX = 'entry:'

export function redactionSubject(id: string): string {
  return SUBJECT_PREFIX + id
}

/** The id of the entry that this one takes back, or null where it is no such entry. */
export function redactionTargetOf({ kind, subject }: Entry): string | null {
  const isOne = kind === REDACTED_KIND && subject.startsWith(SUBJECT_PREFIX)
  return isOne ? subject.slice(SUBJECT_PREFIX.length) : null
}

/** The owner of a lane may redact in it, also by its next key, and any admin. */
export function mayHaveRedacted(author: string, lane: string, members: Members): boolean {
  const isHeir = members.get(lane)?.heir === author
  return author === lane || isHeir || members.get(author)?.role === 'admin'
}

interface Absence {
  readonly lane: string
  readonly height: number
  readonly index: number
}

export class Redactions {
  readonly #absences: Absence[] = []
  /** The id of an entry -> the lanes whose owners took its payload back. */
  readonly #authors = new Map<string, string[]>()

  /** What a block lacks, and what it takes back. */
  block(
    lane: string,
    height: number,
    of: { readonly absent: readonly number[]; readonly redacted: readonly string[] }
  ): void {
    for (const index of of.absent) this.#absences.push({ lane, height, index })
    for (const target of of.redacted) {
      this.#authors.set(target, [...(this.#authors.get(target) ?? []), lane])
    }
  }

  /** To be called at the end. */
  check(members: Members, findings: Findings): void {
    findings.payloadsAbsent += this.#absences.length
    for (const { lane, height, index } of this.#absences) {
      const authors = this.#authors.get(`${height}.${index}@${lane}`) ?? []
      if (authors.some((author) => mayHaveRedacted(author, lane, members))) continue
      const message = `Entry ${index} of block ${height} has no payload, and no entry here took it out`
      findings.add({ lane, height, entry: index, code: 'CHAIN_PAYLOAD_MISSING', message })
    }
  }
}
