// How the processes of tests are confined.

import { DEFAULT_SANDBOX } from '../../core/index.ts'
import type { Sandbox } from '../../core/index.ts'
import { systemClock } from '../../core/system.ts'
import type { SandboxSpec } from '../../node/api/index.ts'
import { openContainment } from '../../node/containment/index.ts'
import type { OpenContainment } from '../../node/containment/index.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WorkerWalls } from '../../sandbox-wasm/index.ts'
import { silentLog } from './silent-log.ts'

export const contained: Sandbox = DEFAULT_SANDBOX
export const uncontained: Sandbox = { ...DEFAULT_SANDBOX, containment: 'none' }
/** As the control API takes it. */
export const containedSpec: SandboxSpec = {
  containment: 'os',
  grants: [],
  limits: DEFAULT_SANDBOX.limits
}

/** What this machine really has, for a process host in a temporary folder. */
export async function realContainment(options: {
  readonly home: string
  readonly boot: string
  readonly runDirectory: string
  readonly closedPaths?: readonly string[]
}): Promise<OpenContainment> {
  return await openContainment(
    { clock: systemClock, log: silentLog, egress: null },
    {
      closedPaths: [],
      environment: process.env,
      platform: process.platform,
      arch: process.arch,
      execPath: process.execPath,
      ...options
    }
  )
}

/** For kernels whose tools nobody calls. */
export const noWalls: WorkerWalls = {
  around: () => {
    throw new Error('No tool is called here')
  }
}

export interface OpenWalls {
  readonly walls: WorkerWalls
  /** `none` where this machine cannot confine, which was printed then. */
  readonly containment: 'os' | 'none'
  readonly close: () => Promise<void>
}

/** Ends what a process that called `realWalls` left when it was killed: no kernel comes after it. */
export async function endWallsOf(osPid: number): Promise<void> {
  const runDirectory = mkdtempSync(join(tmpdir(), 'weaver-walls-'))
  const names = { home: `wa11${osPid.toString(16)}`, boot: 'end' }
  const { groups } = await realContainment({ ...names, runDirectory })
  groups.endEarlier()
  await groups.close()
  rmSync(runDirectory, { recursive: true, force: true })
}

let opened = 0

/** What this machine really has around tools' workers. */
export async function realWalls(): Promise<OpenWalls> {
  const runDirectory = mkdtempSync(join(tmpdir(), 'weaver-walls-'))
  opened += 1
  const names = { home: `wa11${process.pid.toString(16)}`, boot: `w${opened}` }
  const { detected, workers, groups } = await realContainment({ ...names, runDirectory })
  if (detected.name === null) process.stderr.write(`workers are not contained: ${detected.why}\n`)
  return {
    walls: workers,
    containment: detected.name === null ? 'none' : 'os',
    close: async () => {
      await groups.close()
      rmSync(runDirectory, { recursive: true, force: true })
    }
  }
}
