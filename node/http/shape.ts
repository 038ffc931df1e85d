// What no JSON that is sent to the control API may have, whatever it is for: asked before any schema is.

import { invalidRequest } from './errors.ts'
import { JSON_DEPTH_MAX } from './limits.ts'

/**
 * A key `__proto__` is data until it is copied, and is then lost, or gone into what it was copied to; what is nested
 * without end breaks off whatever walks through it.
 * @throws ApiRefusal `API_INVALID_REQUEST`
 */
export function checkShape(where: string, value: unknown): void {
  // A list of our own, not the stack that a deep value would fill.
  const left: { readonly value: object; readonly depth: number }[] = []
  const add = (each: unknown, depth: number): void => {
    if (typeof each !== 'object' || each === null) return
    if (depth > JSON_DEPTH_MAX) {
      throw invalidRequest(where, `is nested too deeply: at most ${JSON_DEPTH_MAX} levels`)
    }
    left.push({ value: each, depth })
  }
  add(value, 1)
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (Object.hasOwn(next.value, '__proto__')) {
      throw invalidRequest(where, 'has the key __proto__, which nothing may be called')
    }
    for (const each of Object.values(next.value)) add(each, next.depth + 1)
  }
}
