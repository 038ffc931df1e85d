// npm run bench [NAME ...]: runs all benches, or those whose names begin with one of the given ones.

import { availableParallelism, cpus, release } from 'node:os'
import process from 'node:process'
import { benches as capability } from './capability.ts'
import { benches as chain } from './chain.ts'
import { benches as chainProofs } from './chain-proofs.ts'
import { benches as containment } from './containment.ts'
import { benches as egress } from './egress.ts'
import { benches as kernel } from './kernel.ts'
import { benches as meshBlobs } from './mesh-blobs.ts'
import { benches as meshRpc } from './mesh-rpc.ts'
import { benches as membership } from './mesh-membership.ts'
import { benches as policy } from './policy.ts'
import { benches as rows } from './mesh-rows.ts'
import { benches as silence } from './mesh-silence.ts'
import { printToStdout as print } from './stats.ts'
import { benches as store } from './store.ts'
import { benches as tools } from './tools.ts'
import type { Bench } from './stats.ts'

const all: readonly Bench[] = [
  ...capability,
  ...chain,
  ...chainProofs,
  ...containment,
  ...egress,
  ...kernel,
  ...meshRpc,
  ...meshBlobs,
  ...membership,
  ...policy,
  ...silence,
  ...rows,
  ...store,
  ...tools
]
const wanted = process.argv.slice(2)
const chosen = all.filter(
  ({ name }) => wanted.length === 0 || wanted.some((prefix) => name.startsWith(prefix))
)

print(
  `node ${process.version}, Linux ${release()}, ${availableParallelism()} cores of ${cpus()[0]?.model ?? '?'}`
)
if (chosen.length === 0) {
  print(`No such bench. There are: ${all.map(({ name }) => name).join(', ')}`)
  process.exitCode = 2
}
for (const bench of chosen) {
  print(`\n${bench.name}: ${bench.title}`)
  try {
    await bench.run(print)
    print(`  Not measured: ${bench.notMeasured}`)
  } catch (error) {
    print(`  FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    process.exitCode = 1
  }
}
