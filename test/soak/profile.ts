// How long the soak tests run: `npm run soak` for the whole life, `npm run test:soak` for a taste of it.

import process from 'node:process'
import { queryObjects } from 'node:v8'
import { collector } from '../../node/collector.ts'

export const isLong: boolean = process.env['WEAVER_SOAK'] === 'long'

const collect = collector('last')

/** Bytes that are really in use: V8's heap after a thorough collection. */
export function heapInUse(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** How many objects of each of these classes something still holds. Collects garbage first. */
export function alive(classes: readonly Function[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    classes.map((each) => [each.name, queryObjects(each, { format: 'count' })])
  )
}
