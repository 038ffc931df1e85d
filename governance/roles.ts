// Which of the shipped roles is within which: whoever acts in one may start others in it, or in one that it
// lists here. A test compares this with what the policies really say.

import { DEFAULT_ROLE } from './shipped.ts'

const WITHIN: Readonly<Record<string, readonly string[]>> = {
  untrusted: [],
  reader: ['untrusted'],
  reviewer: ['untrusted', 'reader'],
  tester: ['untrusted', 'reader'],
  coder: ['untrusted', 'reader', 'reviewer', 'tester'],
  devops: ['untrusted', 'reader', 'reviewer', 'tester', 'coder']
}

/** Null stands for the role of those who were given none. A role of the home's own is within itself alone. */
export function isRoleWithin(child: string | null, parent: string | null): boolean {
  const [inner, outer] = [child ?? DEFAULT_ROLE, parent ?? DEFAULT_ROLE]
  if (inner === outer) return true
  return Object.hasOwn(WITHIN, outer) && WITHIN[outer]?.includes(inner) === true
}
