// How the processes of tests are confined.

import { DEFAULT_SANDBOX } from '../../core/index.ts'
import type { Sandbox } from '../../core/index.ts'
import { systemClock } from '../../core/system.ts'
import type { SandboxSpec } from '../../node/api/index.ts'
import { openContainment } from '../../node/containment/index.ts'
import type { OpenContainment } from '../../node/containment/index.ts'
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
      ...options
    }
  )
}
