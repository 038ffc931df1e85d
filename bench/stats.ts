// Numbers of a bench and how they are printed: percentiles, ratios, and tables of a subject beside its
// peers, measured in turns (A B A B) within one run, so that what the machine does meanwhile hits both.

import process from 'node:process'

export type Print = (line: string) => void

export interface Bench {
  readonly name: string
  readonly title: string
  /** What the figures say nothing about; printed below them. */
  readonly notMeasured: string
  readonly run: (print: Print) => Promise<void>
}

/** One of those that are compared. */
export interface Contender {
  readonly name: string
  /** Does the thing once and resolves when it is done. */
  readonly once: () => Promise<void>
}

export interface Measured {
  readonly name: string
  /** Each single one, in milliseconds, all rounds. */
  readonly latencies: readonly number[]
  /** Of each round: how many a second. */
  readonly rates: readonly number[]
}

export interface Load {
  readonly rounds: number
  /** In each round, for each contender. */
  readonly operations: number
  readonly inFlight: number
}

/** Rounds over all contenders in turn. The first round of each is warm-up and not counted. */
export async function takeTurns(
  contenders: readonly Contender[],
  load: Load
): Promise<readonly Measured[]> {
  const latencies = contenders.map((): number[] => [])
  const rates = contenders.map((): number[] => [])
  for (let round = -1; round < load.rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const taken = await takeTurn(contender, load)
      if (round < 0) continue
      latencies[index]?.push(...taken.latencies)
      rates[index]?.push(taken.rate)
    }
  }
  return contenders.map(({ name }, index) => ({
    name,
    latencies: latencies[index] ?? [],
    rates: rates[index] ?? []
  }))
}

async function takeTurn(
  contender: Contender,
  { operations, inFlight }: Load
): Promise<{ readonly latencies: readonly number[]; readonly rate: number }> {
  const latencies: number[] = []
  let begun = 0
  const lane = async (): Promise<void> => {
    while (begun < operations) {
      begun += 1
      latencies.push(await timed(contender.once))
    }
  }
  const took = await timed(async () => {
    await Promise.all(Array.from({ length: inFlight }, lane))
  })
  return { latencies, rate: (operations * 1000) / took }
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

/** Nearest rank; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

export function ms(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`
}

export function ratio(value: number, peer: number): string {
  return `${(value / peer).toFixed(2)}x`
}

/** The first is the subject; the ratios are the subject's figure over the peer's. */
export function printMeasured(
  print: Print,
  [subject, ...peers]: readonly Measured[],
  withRates: boolean
): void {
  if (subject === undefined) return
  const head = ['', 'n', 'p50', 'p99', ...(withRates ? ['per second'] : []), 'ratio p50', 'p99']
  const rows = [subject, ...peers].map((each) => [
    each.name,
    String(each.latencies.length),
    ms(median(each.latencies)),
    ms(percentile(each.latencies, 0.99)),
    ...(withRates ? [median(each.rates).toFixed(0)] : []),
    each === subject ? '' : ratio(median(subject.latencies), median(each.latencies)),
    each === subject
      ? ''
      : ratio(percentile(subject.latencies, 0.99), percentile(each.latencies, 0.99))
  ])
  printTable(print, [head, ...rows])
}

/** The first column is text, the others numbers. */
export function printTable(print: Print, rows: readonly (readonly string[])[]): void {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    }
  }
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
    )
    print(`  ${cells.join('  ').trimEnd()}`)
  }
}

/** One line: the figure, its peer, and whether the goal is met. */
export function goalLine(name: string, value: string, goal: string, isMet: boolean): string {
  return `  ${name}: ${value} (goal: ${goal}: ${isMet ? 'met' : 'MISSED'})`
}

export function printToStdout(line: string): void {
  process.stdout.write(`${line}\n`)
}
