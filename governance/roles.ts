// Which of the shipped roles is within which: whoever acts in one may start others in it, or in one that it
// lists here. A test compares this with what the policies really say.

import { DEFAULT_ROLE } from './shipped.ts'

const WITHIN: Readonly<Record<string, readonly string[]>> = {
  reviewer: ['reader'],
  tester: ['reader'],
  coder: ['reader', 'reviewer', 'tester'],
  devops: ['reader', 'reviewer', 'tester', 'coder']
}

/**
 * Null stands for the role of those who were given none, which is within every other: whoever starts one is asked
 * beside it at each act. A role of the home's own is within itself alone.
 */
export function isRoleWithin(child: string | null, parent: string | null): boolean {
  const [inner, outer] = [child ?? DEFAULT_ROLE, parent ?? DEFAULT_ROLE]
  if (inner === outer || inner === DEFAULT_ROLE) return true
  return Object.hasOwn(WITHIN, outer) && WITHIN[outer]?.includes(inner) === true
}
