// Payloads that are not there, and the entries that say who took them out.

import type { Members } from './mesh.ts'
import type { CheckedRecord } from './record.ts'
import type { Findings } from './report.ts'

export const REDACTED_KIND = 'chain.redacted'
const SUBJECT_PREFIX = 'entry:'

export function redactionSubject(id: string): string {
  return SUBJECT_PREFIX + id
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

  record(lane: string, height: number, { rows }: CheckedRecord): void {
    for (const [index, { entry, payload }] of rows.entries()) {
      if (payload === null) this.#absences.push({ lane, height, index })
      if (entry?.kind !== REDACTED_KIND || !entry.subject.startsWith(SUBJECT_PREFIX)) continue
      const target = entry.subject.slice(SUBJECT_PREFIX.length)
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
