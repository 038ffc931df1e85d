// Benches of the home's store: what the sum over all that it holds costs each write, and each opening.

import { join } from 'node:path'
import { Level } from 'level'
import { systemClock } from '../core/system.ts'
import { LevelStore } from '../node/level-store.ts'
import { inFolder } from './chain-kit.ts'
import { median, ms, printMeasured, takeTurns, timed } from './stats.ts'
import type { Bench, Contender, Print } from './stats.ts'

const ROWS = 10_000
const ROW_BYTES = 500
const WRITES = 1000
const OPENINGS = 5

export const benches: readonly Bench[] = [
  {
    name: 'store-write',
    title: `durable write of one row of ${ROW_BYTES} bytes, of ${ROWS.toLocaleString('en')} held; and opening`,
    notMeasured:
      'a disk that really flushes, where this one does not; compaction; a cold disk cache',
    run: (print) => inFolder((folder) => benchStore(print, folder))
  }
]

async function benchStore(print: Print, folder: string): Promise<void> {
  const value = new Uint8Array(ROW_BYTES).fill(7)
  const keyOf = (number: number): string => `row.${String(number % ROWS).padStart(8, '0')}`
  const all = Array.from({ length: ROWS }, (_, number) => ({ key: keyOf(number), value }))
  const [path, headFile] = [join(folder, 'store'), join(folder, 'store.head')]
  const options = { headFile, clock: systemClock }
  let store = await LevelStore.open(path, options)
  await store.write(all)
  const bare = new Level<string, Uint8Array>(join(folder, 'bare'), { valueEncoding: 'view' })
  await bare.batch(
    all.map((row) => ({ type: 'put' as const, ...row })),
    { sync: true }
  )
  let number = 0
  const next = (): string => keyOf((number += 7919))
  const contenders: readonly Contender[] = [
    { name: 'store', once: () => store.write([{ key: next(), value }]) },
    {
      name: 'LevelDB alone, synced',
      once: () => bare.batch([{ type: 'put', key: next(), value }], { sync: true })
    }
  ]
  for (const inFlight of [1, 32]) {
    print(`  ${inFlight} in flight`)
    const measured = await takeTurns(contenders, { rounds: 3, operations: WRITES, inFlight })
    printMeasured(print, measured, true)
  }
  const [openings, bareOpenings]: [number[], number[]] = [[], []]
  for (let round = 0; round < OPENINGS; round += 1) {
    await store.close()
    openings.push(await timed(async () => (store = await LevelStore.open(path, options))))
    await bare.close()
    bareOpenings.push(await timed(() => bare.open()))
  }
  print(
    `  opening it, all ${ROWS} rows read for the sum: ${ms(median(openings))}; LevelDB alone, which reads ` +
      `none: ${ms(median(bareOpenings))}`
  )
  await store.close()
  await bare.close()
}
