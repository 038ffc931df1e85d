// A blob from one process to another, beside the same bytes over one bare libp2p stream.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { NODE_OPTIONS } from '../cli/kernel-options.ts'
import type { Bench, Print } from './stats.ts'

async function run(print: Print): Promise<void> {
  const main = fileURLToPath(new URL('mesh-blobs-fetch-main.ts', import.meta.url))
  const fetcher = fork(main, { execArgv: [...NODE_OPTIONS] })
  fetcher.on('message', (line) => print(typeof line === 'string' ? line : JSON.stringify(line)))
  const [[code]] = await Promise.all([once(fetcher, 'exit'), once(fetcher, 'disconnect')])
  if (code !== 0) throw new Error(`The fetching process ended with ${String(code)}`)
}

export const benches: readonly Bench[] = [
  {
    name: 'mesh-blobs',
    title: 'a blob of 256 MiB between two processes, checked and written, beside a bare stream',
    notMeasured: 'a real network, several sources, a disk that is slower than the network',
    run
  }
]
