// What the operating system's walls cost a tool: its first call, and a warm one.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { Containment } from '../core/index.ts'
import { systemClock } from '../core/system.ts'
import { createSandbox } from '../sandbox-wasm/index.ts'
import type { Sandbox } from '../sandbox-wasm/index.ts'
import { realWalls } from '../test/doubles/sandboxes.ts'
import { silentLog } from '../test/doubles/silent-log.ts'
import { printMeasured, takeTurns } from './stats.ts'
import type { Bench, Contender, Print } from './stats.ts'

const INPUT = JSON.stringify({ algorithm: 'shake256', text: 'hello', bytes: 32 })

export const benches: readonly Bench[] = [
  {
    name: 'tool-start',
    title: 'a call of the tool `hash` that finds no worker, translated before',
    notMeasured: 'the gate, the lane, the control API; the translation, which happens once',
    run: startBench
  },
  {
    name: 'tool-call',
    title: 'a call of the tool `hash` that finds a warm worker',
    notMeasured: 'the gate, the lane, the control API',
    run: callBench
  }
]

async function startBench(print: Print): Promise<void> {
  await withWalls(async (sandboxOf, folder) => {
    const once = (containment: Containment) => async (): Promise<void> => {
      const sandbox = sandboxOf(folder)
      await call(sandbox, containment)
      await sandbox.stop()
    }
    const load = { rounds: 4, operations: 8, inFlight: 1 }
    printMeasured(print, await takeTurns(contenders(once), load), false)
  }, print)
}

async function callBench(print: Print): Promise<void> {
  await withWalls(async (sandboxOf, folder) => {
    const sandbox = sandboxOf(folder)
    const once = (containment: Containment) => () => call(sandbox, containment)
    const load = { rounds: 4, operations: 200, inFlight: 1 }
    printMeasured(print, await takeTurns(contenders(once), load), false)
    await sandbox.stop()
  }, print)
}

function contenders(once: (containment: Containment) => () => Promise<void>): readonly Contender[] {
  return [
    { name: 'behind the walls', once: once('os') },
    { name: 'without them', once: once('none') }
  ]
}

async function call(sandbox: Sandbox, containment: Containment): Promise<void> {
  const { ok, error } = await sandbox.call({ tool: 'hash', input: INPUT, containment })
  if (!ok) throw new Error(error?.message)
}

async function withWalls(
  work: (sandboxOf: (cacheFolder: string) => Sandbox, folder: string) => Promise<void>,
  print: Print
): Promise<void> {
  const { walls, containment, close } = await realWalls()
  const folder = await mkdtemp(join(tmpdir(), 'weaver-bench-tools-'))
  const { execPath } = process
  try {
    if (containment === 'none') {
      print('  skipped: this machine cannot contain a process')
      return
    }
    const deps = { clock: systemClock, log: silentLog, walls }
    await work((cacheFolder) => createSandbox(deps, { cacheFolder, execPath }), folder)
  } finally {
    await close()
    await rm(folder, { recursive: true, force: true })
  }
}
