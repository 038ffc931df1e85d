// What this machine has: cores, memory, GPUs; and how busy it is.

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { z } from 'zod'
import { WeaverError } from '../core/index.ts'
import type { Clock, Logger } from '../core/index.ts'
import { declaredGpus, parseGpuRequest } from '../scheduler/index.ts'
import type { GpuDevice } from '../scheduler/index.ts'
import {
  GPU_TOOL_OUTPUT_BYTES_MAX,
  GPU_TOOL_TIMEOUT_MS,
  LOAD_MEASURE_INTERVAL_MS
} from './limits.ts'
import type { MachineLoad } from './pulse.ts'
import type { OwnResources } from './rooms.ts'

/** What a command printed, or null where there is no such command, or it failed, or took too long. */
export type CommandRunner = (command: string, args: readonly string[]) => Promise<string | null>

type Found = Pick<GpuDevice, 'vendor' | 'vendorIndex' | 'model' | 'memoryBytes'>

interface GpuTool {
  readonly command: string
  readonly args: readonly string[]
  readonly parse: (output: string) => readonly Found[]
}

const MIB = 1024 * 1024

const TOOLS: readonly GpuTool[] = [
  {
    command: 'nvidia-smi',
    args: ['--query-gpu=index,name,memory.total', '--format=csv,noheader,nounits'],
    parse: parseNvidiaSmi
  },
  {
    command: 'rocm-smi',
    args: ['--showproductname', '--showmeminfo', 'vram', '--json'],
    parse: parseRocmSmi
  },
  // Untried: written from the tool's documented output.
  { command: 'system_profiler', args: ['SPDisplaysDataType', '-json'], parse: parseSystemProfiler }
]

/**
 * `gpu` is `auto` (ask the vendors' own tools), `none`, or a declaration such as `1:24GB`.
 * @throws WeaverError `SCHEDULER_INVALID_SPEC` for a declaration that cannot be read
 */
export async function ownResources(
  deps: { readonly run: CommandRunner; readonly log: Logger },
  options: { readonly gpu: string }
): Promise<OwnResources> {
  const machine = { cpus: availableParallelism(), memoryBytes: totalmem() }
  if (options.gpu === 'none') return { ...machine, gpus: [] }
  if (options.gpu !== 'auto') {
    return { ...machine, gpus: declaredGpus(parseGpuRequest(options.gpu)) }
  }
  const found = await Promise.all(TOOLS.map((tool) => gpusBy(tool, deps)))
  const gpus = found.flat().map((gpu, index) => ({ ...gpu, index, isDeclared: false }))
  return { ...machine, gpus }
}

async function gpusBy(
  { command, args, parse }: GpuTool,
  { run, log }: { readonly run: CommandRunner; readonly log: Logger }
): Promise<readonly Found[]> {
  const output = await run(command, args)
  if (output === null) return []
  try {
    return parse(output)
  } catch (error) {
    log.warn('Cannot read what a GPU tool says', { command, error: String(error) })
    return []
  }
}

/** Lines of `0, NVIDIA H200, 143771`; memory in MiB, or `[N/A]` where it is shared with the machine. */
export function parseNvidiaSmi(output: string): readonly Found[] {
  return output
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [index, model, memory] = line.split(',').map((part) => part.trim())
      const vendorIndex = Number(index)
      if (!Number.isInteger(vendorIndex) || model === undefined) {
        throw new WeaverError('NODE_GPU_TOOL_UNREADABLE', `Cannot read '${line.slice(0, 80)}'`)
      }
      const mebibytes = Number(memory)
      const memoryBytes = Number.isFinite(mebibytes) ? mebibytes * MIB : 0
      return { vendor: 'nvidia', vendorIndex, model, memoryBytes }
    })
}

const rocmSchema = z.record(z.string(), z.record(z.string(), z.string()))

/** `{"card0": {"Card Series": "...", "VRAM Total Memory (B)": "..."}}` */
export function parseRocmSmi(output: string): readonly Found[] {
  const cards = rocmSchema.parse(JSON.parse(output))
  return Object.entries(cards).flatMap(([name, fields]) => {
    const index = /^card(\d+)$/.exec(name)?.[1]
    if (index === undefined) return []
    const memoryBytes = Number(fields['VRAM Total Memory (B)'] ?? 0)
    const model = fields['Card Series'] ?? fields['Card series'] ?? 'AMD GPU'
    return [{ vendor: 'amd', vendorIndex: Number(index), model, memoryBytes }]
  })
}

const profilerSchema = z.object({
  SPDisplaysDataType: z.array(
    z.object({ sppci_model: z.string().optional(), spdisplays_vendor: z.string().optional() })
  )
})

/** Apple's GPUs have the machine's memory; other makers' displays are left out. */
export function parseSystemProfiler(output: string): readonly Found[] {
  return profilerSchema
    .parse(JSON.parse(output))
    .SPDisplaysDataType.filter(({ spdisplays_vendor }) => /apple/i.test(spdisplays_vendor ?? ''))
    .map(({ sppci_model }, vendorIndex) => ({
      vendor: 'apple',
      vendorIndex,
      model: sppci_model ?? 'Apple GPU',
      memoryBytes: totalmem()
    }))
}

/** Runs a command of this machine, with a bound on its time and output. Never throws. */
export const runCommand: CommandRunner = (command, args) => {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const options = { timeout: GPU_TOOL_TIMEOUT_MS, maxBuffer: GPU_TOOL_OUTPUT_BYTES_MAX }
  execFile(command, [...args], options, (error, output) => resolve(error === null ? output : null))
  return promise
}

/** Measures between one call and the next: call it about once a second. */
export function machineLoadMeter({ clock }: { readonly clock: Clock }): () => MachineLoad {
  let before = cpuTimes()
  let readAt = clock.now()
  let cpuLoad = 0
  return () => {
    // Calls in quick succession share one measurement: to read the counters costs half a millisecond.
    if (clock.now() - readAt >= LOAD_MEASURE_INTERVAL_MS) {
      readAt = clock.now()
      const now = cpuTimes()
      const passed = Math.max(1, now.total - before.total)
      cpuLoad = Math.min(1, Math.max(0, (now.busy - before.busy) / passed))
      before = now
    }
    return { cpuLoad: Math.round(cpuLoad * 1000) / 1000, memoryFreeBytes: freemem() }
  }
}

interface CpuTimes {
  readonly busy: number
  readonly total: number
}

function cpuTimes(): CpuTimes {
  return (process.platform === 'linux' ? linuxCpuTimes() : null) ?? portableCpuTimes()
}

/** One file instead of the two, and one more for each core, that `os.cpus()` reads. */
function linuxCpuTimes(): CpuTimes | null {
  try {
    return parseCpuTimes(readFileSync('/proc/stat', 'latin1'))
  } catch {
    return null
  }
}

/** The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal in ticks. */
export function parseCpuTimes(stat: string): CpuTimes | null {
  const line = /^cpu +([\d ]+)/.exec(stat)?.[1]
  if (line === undefined) return null
  const ticks = line.trim().split(' ').slice(0, 8).map(Number)
  const total = ticks.reduce((sum, each) => sum + each, 0)
  const [, , , idle = 0, waiting = 0] = ticks
  return { busy: total - idle - waiting, total }
}

function portableCpuTimes(): CpuTimes {
  let idle = 0
  let total = 0
  for (const { times } of cpus()) {
    idle += times.idle
    total += times.user + times.nice + times.sys + times.idle + times.irq
  }
  return { busy: total - idle, total }
}
