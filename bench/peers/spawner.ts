// Runs `true` as a kernel's executor does, through the same process host, and nothing else: no gate, no
// lane, no task. The work that all contenders of the delegation bench have in common.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { RunningProcess } from '../../agents/index.ts'
import { millis, pid } from '../../core/index.ts'
import { systemClock } from '../../core/system.ts'
import { RealProcessHost } from '../../node/processes/host.ts'
import { systemProcesses } from '../../node/processes/system-processes.ts'
import { contained, realContainment } from '../../test/doubles/sandboxes.ts'
import { silentLog } from '../../test/doubles/silent-log.ts'

export interface Spawner {
  /** Runs a contained `true` to its end. */
  readonly start: () => Promise<void>
  /** The same, and the search for what it left behind. */
  readonly run: () => Promise<void>
  readonly stop: () => Promise<void>
}

export async function openSpawner(): Promise<Spawner> {
  const directory = await mkdtemp(join(tmpdir(), 'weaver-bench-'))
  const runDirectory = join(directory, 'run')
  await mkdir(runDirectory)
  const home = Buffer.from(directory).toString('hex').slice(-32)
  const host = new RealProcessHost(
    {
      os: systemProcesses,
      clock: systemClock,
      log: silentLog,
      containment: await realContainment({ home, boot: 'b', runDirectory }),
      onSamples: () => {},
      onTraps: () => {}
    },
    {
      runDirectory,
      spoolDirectory: join(directory, 'spool'),
      homeId: home,
      bootId: 'b',
      directory,
      environment: process.env,
      platform: process.platform
    }
  )
  await host.start()
  let last = 0
  const started = async (): Promise<RunningProcess> => {
    last += 1
    const request = { pid: pid(last), command: ['true'], env: {}, io: null } as const
    const sandbox = contained
    const child = await host.spawn({ ...request, cwd: directory, isOwnFolder: true, sandbox })
    const { code } = await child.exited
    if (code !== 0) throw new Error(`true ended with ${code}`)
    return child
  }
  return {
    start: async () => {
      await started()
    },
    run: async () => {
      const child = await started()
      await child.stop(millis(1000)) // As the executor does: what it left behind ends with it.
    },
    stop: async () => {
      await host.stop(millis(1000))
      await rm(directory, { recursive: true, force: true })
    }
  }
}
