// A process that appends to a chain at full rate, and prints the height of each block that was
// acknowledged, until it is killed: arguments are the folder and the number of writers.

import process from 'node:process'
import { openChain } from '../../../chain/index.ts'
import { signerFromSeed } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { openLaneDisk } from '../../../node/disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'

const [folder = '', writers = '64'] = process.argv.slice(2)
const signer = signerFromSeed(new Uint8Array(32).fill(5))
const started = performance.now()
const disk = await openLaneDisk(folder, { clock: systemClock })
const chain = await openChain({ disk, clock: systemClock, signer, log: silentLog }, {})
process.stdout.write(`ready ${Math.ceil(performance.now() - started)}\n`)
let last = 0
const write = async (): Promise<void> => {
  for (let count = 0; ; count += 1) {
    const payload = { count, text: 'x'.repeat(count % 400) }
    const kind = 'tool.called'
    const [ref] = await chain.append([{ kind, actor: 'user:local', subject: 'task:1', payload }])
    if (ref !== undefined && ref.height > last) {
      last = ref.height
      process.stdout.write(`${last}\n`)
    }
  }
}
await Promise.all(Array.from({ length: Number(writers) }, write))
