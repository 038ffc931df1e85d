import assert from 'node:assert/strict'
import { systemClock } from '../../../../core/system.ts'
import {
  machineLoadMeter,
  ownResources,
  parseCpuTimes,
  parseNvidiaSmi,
  parseRocmSmi,
  parseSystemProfiler,
  runCommand
} from '../../../../node/resources.ts'
import type { CommandRunner } from '../../../../node/resources.ts'
import { silentLog } from '../../../doubles/silent-log.ts'

const MIB = 1024 * 1024

/** Answers of the tools that are installed; the others do not exist. */
function machineWith(answers: Readonly<Record<string, string>>): {
  readonly run: CommandRunner
  readonly asked: string[]
} {
  const asked: string[] = []
  const run: CommandRunner = (command) => {
    asked.push(command)
    return Promise.resolve(answers[command] ?? null)
  }
  return { run, asked }
}

describe('parseNvidiaSmi', () => {
  it('reads one GPU a line, memory in MiB', () => {
    const output = '0, NVIDIA H200, 143771\n1, NVIDIA GeForce RTX 4090, 24564\n'
    assert.deepEqual(parseNvidiaSmi(output), [
      { vendor: 'nvidia', vendorIndex: 0, model: 'NVIDIA H200', memoryBytes: 143_771 * MIB },
      {
        vendor: 'nvidia',
        vendorIndex: 1,
        model: 'NVIDIA GeForce RTX 4090',
        memoryBytes: 24_564 * MIB
      }
    ])
  })

  it('takes a GPU that shares the memory of its machine, and no GPU at all', () => {
    const [shared] = parseNvidiaSmi('0, NVIDIA GB10, [N/A]\n')
    assert.deepEqual([shared?.model, shared?.memoryBytes], ['NVIDIA GB10', 0])
    assert.deepEqual(parseNvidiaSmi('\n'), [])
  })

  it('refuses what is not its output', () => {
    assert.throws(() => parseNvidiaSmi('NVIDIA-SMI has failed because ...'), {
      code: 'NODE_GPU_TOOL_UNREADABLE'
    })
  })
})

describe('parseRocmSmi', () => {
  it('reads cards and leaves out the rest', () => {
    const output = JSON.stringify({
      card0: {
        'VRAM Total Memory (B)': '68702699520',
        'VRAM Total Used Memory (B)': '10960896',
        'Card Series': 'AMD Instinct MI210',
        'Card Vendor': 'Advanced Micro Devices, Inc. [AMD/ATI]'
      },
      card1: { 'VRAM Total Memory (B)': '17163091968', 'Card series': 'Navi 21' },
      system: { 'Driver version': '6.3.6' }
    })
    assert.deepEqual(parseRocmSmi(output), [
      {
        vendor: 'amd',
        vendorIndex: 0,
        model: 'AMD Instinct MI210',
        memoryBytes: 68_702_699_520
      },
      { vendor: 'amd', vendorIndex: 1, model: 'Navi 21', memoryBytes: 17_163_091_968 }
    ])
  })

  it('refuses what is not JSON', () => {
    assert.throws(() => parseRocmSmi('WARNING: No AMD GPUs specified'))
  })
})

describe('parseSystemProfiler', () => {
  it("reads Apple's GPU, which has the machine's memory", () => {
    const output = JSON.stringify({
      SPDisplaysDataType: [
        {
          _name: 'Apple M3 Max',
          spdisplays_mtlgpufamilysupport: 'spdisplays_metal3',
          spdisplays_vendor: 'sppci_vendor_Apple',
          sppci_bus: 'spdisplays_builtin',
          sppci_cores: '40',
          sppci_model: 'Apple M3 Max'
        }
      ]
    })
    const [gpu] = parseSystemProfiler(output)
    assert.equal(gpu?.vendor, 'apple')
    assert.equal(gpu?.model, 'Apple M3 Max')
    assert.ok((gpu?.memoryBytes ?? 0) > 0)
  })
})

describe('ownResources', () => {
  it('asks every tool under auto, and takes what those that exist say', async () => {
    const { run, asked } = machineWith({ 'nvidia-smi': '0, NVIDIA H200, 143771\n' })
    const { cpus, memoryBytes, gpus } = await ownResources({ run, log: silentLog }, { gpu: 'auto' })
    assert.ok(cpus >= 1 && memoryBytes > 0)
    assert.deepEqual(
      gpus.map((gpu) => [gpu.model, gpu.isDeclared]),
      [['NVIDIA H200', false]]
    )
    assert.deepEqual(asked, ['nvidia-smi', 'rocm-smi', 'system_profiler'])
  })

  it('finds none where a tool talks nonsense, and starts all the same', async () => {
    const { run } = machineWith({ 'nvidia-smi': 'Failed to initialize NVML', 'rocm-smi': '{' })
    const { gpus } = await ownResources({ run, log: silentLog }, { gpu: 'auto' })
    assert.deepEqual(gpus, [])
  })

  it('asks nobody under none, nor when a person declares them', async () => {
    const { run, asked } = machineWith({ 'nvidia-smi': '0, NVIDIA H200, 143771\n' })
    const none = await ownResources({ run, log: silentLog }, { gpu: 'none' })
    assert.deepEqual(none.gpus, [])
    const declared = await ownResources({ run, log: silentLog }, { gpu: '2:24GB' })
    assert.deepEqual(
      declared.gpus.map((gpu) => [gpu.memoryBytes, gpu.isDeclared]),
      [
        [24e9, true],
        [24e9, true]
      ]
    )
    assert.deepEqual(asked, [])
  })
})

describe('runCommand', () => {
  it('gives what a command prints, and null where it fails or is not there', async () => {
    assert.equal(await runCommand(process.execPath, ['-p', '6 * 7']), '42\n')
    assert.equal(await runCommand(process.execPath, ['-e', 'process.exit(3)']), null)
    assert.equal(await runCommand('no-such-tool-at-all', []), null)
  })
})

describe('machineLoadMeter', () => {
  it('stays between nothing and all', () => {
    const { cpuLoad, memoryFreeBytes } = machineLoadMeter({ clock: systemClock })()
    assert.ok(cpuLoad >= 0 && cpuLoad <= 1)
    assert.ok(memoryFreeBytes > 0)
  })
})

describe('parseCpuTimes', () => {
  it('reads the ticks of all cores, and counts waiting for the disk as idle', () => {
    const stat = 'cpu  100 5 45 800 50 3 2 0 7 7\ncpu0 50 0 0 400 0 0 0 0 0 0\nintr 5 0\n'
    assert.deepEqual(parseCpuTimes(stat), { busy: 155, total: 1005 })
    assert.equal(parseCpuTimes('nothing of the kind'), null)
  })
})
