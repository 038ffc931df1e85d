// The device files of the GPUs that a process was given. Without GPUs it sees none.

import { existsSync, readdirSync } from 'node:fs'
import type { DevicePlace } from './ports.ts'

/** What each process that uses a GPU of this vendor needs beside the GPU's own file. */
const NVIDIA_SHARED = [
  'nvidiactl',
  'nvidia-uvm',
  'nvidia-uvm-tools',
  'nvidia-modeset',
  'nvidia-caps'
]

/** What of /dev and /proc there is on this machine. */
export interface DeviceFiles {
  has(path: string): boolean
  /** The names in /dev/dri. */
  direct(): readonly string[]
}

export function gpuBinds(
  gpus: readonly DevicePlace[],
  files: DeviceFiles = thisMachine
): readonly string[] {
  const paths = new Set<string>()
  for (const { vendor, vendorIndex } of gpus) {
    if (vendor === 'nvidia') {
      for (const name of [`nvidia${vendorIndex}`, ...NVIDIA_SHARED]) paths.add(`/dev/${name}`)
    }
    if (vendor === 'amd') {
      paths.add('/dev/kfd')
      const node = renderNodes(files)[vendorIndex]
      if (node !== undefined) paths.add(node)
    }
  }
  const binds = [...paths]
    .filter((path) => files.has(path))
    .flatMap((path) => ['--dev-bind', path, path])
  if (binds.length === 0) return []
  // The drivers' libraries ask these two what is there.
  const driver = files.has('/proc/driver/nvidia')
    ? ['--ro-bind', '/proc/driver/nvidia', '/proc/driver/nvidia']
    : []
  return [...binds, ...driver, '--ro-bind-try', '/sys', '/sys']
}

function renderNodes(files: DeviceFiles): readonly string[] {
  const names = files.direct().filter((name) => name.startsWith('renderD'))
  return names.toSorted().map((name) => `/dev/dri/${name}`)
}

const thisMachine: DeviceFiles = {
  has: (path) => existsSync(path),
  direct: () => {
    try {
      return readdirSync('/dev/dri')
    } catch {
      return [] // No GPU has a file there.
    }
  }
}
