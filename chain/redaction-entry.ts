// What an entry says that takes back the payload of another one.

import { entryId } from './entry.ts'
import type { EntryRef } from './entry.ts'

/** The kind of an entry that takes back the payload of its subject, `entry:<height>.<index>@<lane>`. */
export const REDACTED_KIND = 'chain.redacted'
const SUBJECT_PREFIX = 'entry:'

export function redactionSubject(target: EntryRef): string {
  return SUBJECT_PREFIX + target.id
}

/** The entry that a `chain.redacted` entry is about, or null when its subject is something else. */
export function redactionTarget(kind: string, subject: string): EntryRef | null {
  if (kind !== REDACTED_KIND || !subject.startsWith(SUBJECT_PREFIX)) return null
  try {
    return entryId(subject.slice(SUBJECT_PREFIX.length))
  } catch {
    return null // Its author wrote nonsense: then nothing is redacted.
  }
}
