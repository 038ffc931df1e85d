import assert from 'node:assert/strict'
import { gpuBinds } from '../../../../node/containment/gpu-devices.ts'

function machine(...paths: readonly string[]): Parameters<typeof gpuBinds>[1] {
  const direct = paths.filter((path) => path.startsWith('/dev/dri/'))
  return {
    has: (path) => paths.includes(path),
    direct: () => direct.map((path) => path.slice('/dev/dri/'.length))
  }
}

/** Each mount as one text. */
function triples(args: readonly string[]): readonly string[] {
  return args.flatMap((_, index) =>
    index % 3 === 0 ? [args.slice(index, index + 3).join(' ')] : []
  )
}

const NVIDIA = ['/dev/nvidia0', '/dev/nvidia1', '/dev/nvidiactl', '/dev/nvidia-uvm']

describe('containment/gpu-devices', () => {
  it('shows the GPUs that were given, what their driver needs beside, and no other', () => {
    const args = gpuBinds(
      [{ vendor: 'nvidia', vendorIndex: 1 }],
      machine(...NVIDIA, '/proc/driver/nvidia')
    )
    assert.deepEqual(triples(args), [
      '--dev-bind /dev/nvidia1 /dev/nvidia1',
      '--dev-bind /dev/nvidiactl /dev/nvidiactl',
      '--dev-bind /dev/nvidia-uvm /dev/nvidia-uvm',
      '--ro-bind /proc/driver/nvidia /proc/driver/nvidia',
      '--ro-bind-try /sys /sys'
    ])
  })

  it('finds an AMD one by its place among the render nodes, whatever their numbers', () => {
    const files = ['/dev/kfd', '/dev/dri/card0', '/dev/dri/renderD129', '/dev/dri/renderD128']
    const args = gpuBinds([{ vendor: 'amd', vendorIndex: 1 }], machine(...files))
    assert.deepEqual(triples(args), [
      '--dev-bind /dev/kfd /dev/kfd',
      '--dev-bind /dev/dri/renderD129 /dev/dri/renderD129',
      '--ro-bind-try /sys /sys'
    ])
  })

  it('shows each file once, and nothing where there are none', () => {
    const two = [0, 1].map((vendorIndex) => ({ vendor: 'nvidia', vendorIndex }))
    const args = gpuBinds(two, machine(...NVIDIA))
    assert.equal(args.filter((text) => text === '/dev/nvidiactl').length, 2)
    assert.deepEqual(gpuBinds([], machine(...NVIDIA)), [])
    assert.deepEqual(gpuBinds([{ vendor: 'declared', vendorIndex: 0 }], machine(...NVIDIA)), [])
    assert.deepEqual(gpuBinds([{ vendor: 'amd', vendorIndex: 5 }], machine()), [])
  })
})
