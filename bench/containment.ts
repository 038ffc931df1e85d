// The start of a contained `true`: what confinement costs over bubblewrap itself.

import { spawn } from 'node:child_process'
import { detectContainment } from '../node/containment/detect.ts'
import { openPodman } from './peers/podman.ts'
import { openSpawner } from './peers/spawner.ts'
import { goalLine, median, printMeasured, ratio, takeTurns } from './stats.ts'
import type { Bench, Contender, Print } from './stats.ts'

/** The namespaces and the mounts that any use of it needs, and nothing else: no filter, no limits, no grants. */
const BARE = [
  '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-net',
  '--unshare-cgroup-try --die-with-parent --new-session --cap-drop ALL --ro-bind',
  '/usr /usr --ro-bind /etc /etc --symlink usr/lib /lib --symlink usr/lib64 /lib64',
  '--symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp true'
].flatMap((line) => line.split(' '))

export const benches: readonly Bench[] = [
  {
    name: 'containment-start',
    title: 'start of a contained `true` to its end, one at a time',
    notMeasured: 'the gate, the lane and the task around it',
    run: startBench
  }
]

async function startBench(print: Print): Promise<void> {
  const detected = await detectContainment(process.platform, process.arch)
  if (detected.name !== 'bubblewrap') {
    print('  skipped: there is no bubblewrap here')
    return
  }
  const spawner = await openSpawner()
  const podman = await openPodman()
  if (typeof podman === 'string') print(`  podman run is left out: ${podman}`)
  try {
    const contenders: readonly Contender[] = [
      { name: 'contained by weaver', once: spawner.start },
      { name: 'bare bwrap', once: () => ended(detected.program, BARE) },
      { name: 'true, not contained', once: () => ended('true', []) },
      ...(typeof podman === 'string' ? [] : [{ name: 'podman run', once: podman.run }])
    ]
    const taken = await takeTurns(contenders, { rounds: 4, operations: 25, inFlight: 1 })
    printMeasured(print, taken, false)
    const [own, bare] = taken.map(({ latencies }) => median(latencies))
    if (own === undefined || bare === undefined) return
    print(goalLine('p50 over bare bwrap', ratio(own, bare), '<= 1.5', own <= 1.5 * bare))
  } finally {
    if (typeof podman !== 'string') podman.close()
    await spawner.stop()
  }
}

function ended(program: string, args: readonly string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const child = spawn(program, [...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.resume()
  child.stderr.resume()
  child.once('error', reject)
  child.once('close', (code) => {
    if (code === 0) resolve()
    else reject(new Error(`${program} ended with ${code}`))
  })
  return promise
}
