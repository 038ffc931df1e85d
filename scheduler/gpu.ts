// GPUs: what is asked for (`1`, `2`, `1:24GB`, `nvidia:1:24GB`), what a node has, and which of them a task
// gets. A GPU is given whole, to one task at a time.

import { formatBytes, parseBytes } from '../core/index.ts'
import { InvalidSpecError } from './errors.ts'
import { GPUS_MAX } from './limits.ts'

export interface GpuRequest {
  /** Lower case; null: any vendor, but all of one task's GPUs from the same. */
  readonly vendor: string | null
  readonly count: number
  /** The least memory of each; null: any. */
  readonly memoryBytes: number | null
}

export interface GpuDevice {
  /** Its place among this node's GPUs. */
  readonly index: number
  /** Lower case: `nvidia`, `amd`, `apple`; `unknown` where a declaration does not say. */
  readonly vendor: string
  /** What the vendor's own tools call it, from 0 for each vendor. */
  readonly vendorIndex: number
  readonly model: string
  /** 0 where it is not known: such a GPU fits no request for memory. */
  readonly memoryBytes: number
  /** Declared by hand with `--gpu`, not found by asking the vendor's tool. */
  readonly isDeclared: boolean
}

export interface GpuState extends GpuDevice {
  readonly isFree: boolean
}

const SPEC_PATTERN = /^(?:([a-z][a-z0-9-]{0,31}):)?(\d{1,3})(?::([0-9.]+[A-Za-z]+))?$/

/** @throws WeaverError `SCHEDULER_INVALID_SPEC` */
export function parseGpuRequest(text: string): GpuRequest {
  const match = SPEC_PATTERN.exec(text)
  const count = Number(match?.[2])
  const size = match?.[3]
  const memoryBytes = size === undefined ? null : parseMemory(size)
  if (match === null || count < 1 || count > GPUS_MAX || memoryBytes === 0) {
    throw new InvalidSpecError(
      `Cannot read '${text.slice(0, 64)}' as GPUs: write a count (1 to ${GPUS_MAX}) such as 1, ` +
        'with least memory 1:24GB, or with vendor nvidia:1:24GB'
    )
  }
  return { vendor: match[1] ?? null, count, memoryBytes }
}

/** Zero for what is no size: the caller refuses both. */
function parseMemory(text: string): number {
  try {
    return parseBytes(text)
  } catch {
    return 0 // The caller's message names the whole text and shows the right form.
  }
}

/** `2 GPUs`, `1 nvidia GPU of 24 GB`: how sentences name a request. */
export function gpusText(request: GpuRequest): string {
  const vendor = request.vendor === null ? '' : ` ${request.vendor}`
  const noun = request.count === 1 ? 'GPU' : 'GPUs'
  const memory = request.memoryBytes === null ? '' : ` of ${formatBytes(request.memoryBytes)}`
  return `${request.count}${vendor} ${noun}${memory}`
}

/** The devices that `kernel start --gpu SPEC` declares by hand. */
export function declaredGpus(spec: GpuRequest): readonly GpuDevice[] {
  return Array.from({ length: spec.count }, (_, index) => ({
    index,
    vendor: spec.vendor ?? 'unknown',
    vendorIndex: index,
    model: 'declared',
    memoryBytes: spec.memoryBytes ?? 0,
    isDeclared: true
  }))
}

/** Those of `devices` that a request could use, were all of them free. */
export function fittingGpus<Device extends GpuDevice>(
  devices: readonly Device[],
  request: GpuRequest
): readonly Device[] {
  const fitting = devices.filter(
    (device) =>
      (request.vendor === null || device.vendor === request.vendor) &&
      (request.memoryBytes === null || device.memoryBytes >= request.memoryBytes)
  )
  if (request.vendor !== null) return fitting
  return largestVendor(fitting)
}

/** GPUs of two vendors do not work together: the one with the most devices counts, then its name. */
function largestVendor<Device extends GpuDevice>(devices: readonly Device[]): readonly Device[] {
  const byVendor = new Map<string, Device[]>()
  for (const device of devices) {
    const group = byVendor.get(device.vendor)
    if (group === undefined) byVendor.set(device.vendor, [device])
    else group.push(device)
  }
  const groups = [...byVendor].toSorted(
    ([nameA, a], [nameB, b]) => b.length - a.length || (nameA < nameB ? -1 : 1)
  )
  return groups[0]?.[1] ?? []
}

/**
 * Which GPUs a task gets, or null when there are too few. Pure. The smallest that fit go first, so that
 * large ones stay free for those who need them; then the lowest index.
 */
export function chooseGpus(
  free: readonly GpuDevice[],
  request: GpuRequest
): readonly GpuDevice[] | null {
  const fitting = fittingGpus(free, request)
  if (fitting.length < request.count) return null
  return fitting
    .toSorted((a, b) => a.memoryBytes - b.memoryBytes || a.index - b.index)
    .slice(0, request.count)
    .toSorted((a, b) => a.index - b.index)
}

/** The variables that tell a command which GPUs it was given. */
export function gpuVariables(granted: readonly GpuDevice[]): Readonly<Record<string, string>> {
  if (granted.length === 0) return {}
  const all = { WEAVER_GPUS: granted.map((device) => device.index).join(',') }
  const nvidia = granted.filter((device) => device.vendor === 'nvidia')
  if (nvidia.length === 0) return all
  return { ...all, CUDA_VISIBLE_DEVICES: nvidia.map((device) => device.vendorIndex).join(',') }
}
