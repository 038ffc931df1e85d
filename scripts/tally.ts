// Counts of tests, read from mocha's own summary and written as the one line that closes a run.

export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export const EMPTY_TALLY: Tally = { passed: 0, failed: 0, skipped: 0 }

/** The counts in the last summary that mocha printed; null when it printed none. */
export function tallyOf(output: string): Tally | null {
  const summaries = [...output.matchAll(/^ {2}(\d+) passing \(.+\)$/gm)]
  const last = summaries.at(-1)
  if (last === undefined) return null
  const rest = output.slice(last.index)
  return {
    passed: Number(last[1]),
    failed: Number(/^ {2}(\d+) failing$/m.exec(rest)?.[1] ?? 0),
    skipped: Number(/^ {2}(\d+) pending$/m.exec(rest)?.[1] ?? 0)
  }
}

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped
  }
}

export function summaryLine(tally: Tally): string {
  const line = `${tally.passed} passed, ${tally.failed} failed`
  return tally.skipped === 0 ? line : `${line}, ${tally.skipped} skipped`
}
