import assert from 'node:assert/strict'
import { millis, pid } from '../../../../core/index.ts'
import type { OsProcess } from '../../../../node/processes/os-processes.ts'
import { Sampler } from '../../../../node/processes/sampler.ts'
import type { ProcessSample } from '../../../../node/processes/sampler.ts'
import { FakeOsProcesses } from '../../../doubles/fake-os-processes.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

describe('Sampler', () => {
  const leader = { osPid: 10, start: 'start-10' }

  class Stage {
    readonly os = new FakeOsProcesses()
    readonly clock = new VirtualClock()
    readonly samples: ProcessSample[] = []
    readonly trees: (readonly OsProcess[])[] = []
    readonly sampler = new Sampler({
      os: this.os,
      clock: this.clock,
      log: silentLog,
      onSamples: (samples) => this.samples.push(...samples),
      onTree: (_, tree) => this.trees.push(tree)
    })

    async advance(ms: number): Promise<void> {
      this.clock.advanceTo(millis(this.clock.now() + ms))
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    }
  }

  it('sums a tree, per interval, in percent of one core', async () => {
    const stage = new Stage()
    stage.os.add({ osPid: 10, cpuMs: 0, residentBytes: 1000 })
    stage.os.add({ osPid: 11, parent: 10, cpuMs: 0, residentBytes: 500 })
    stage.os.add({ osPid: 99, cpuMs: 5000, residentBytes: 9000 })
    stage.sampler.add(pid(1), leader)
    stage.os.add({ osPid: 10, cpuMs: 1000, residentBytes: 1000 })
    stage.os.add({ osPid: 11, parent: 10, cpuMs: 2000, residentBytes: 500 })
    await stage.advance(2000)
    stage.os.add({ osPid: 10, cpuMs: 1001, residentBytes: 1000 })
    await stage.advance(2000)
    assert.deepEqual(stage.samples, [
      { pid: 1, cpuPercent: 150, memoryBytes: 1500 },
      { pid: 1, cpuPercent: 0.1, memoryBytes: 1500 }
    ])
    assert.deepEqual(
      stage.trees[0]?.map((process) => process.osPid).toSorted((a, b) => a - b),
      [10, 11]
    )
    stage.sampler.stop()
  })

  it('never says less than nothing when a child takes its time along', async () => {
    const stage = new Stage()
    stage.os.add({ osPid: 10, cpuMs: 5000 })
    stage.sampler.add(pid(1), leader)
    await stage.advance(2000)
    stage.os.add({ osPid: 10, cpuMs: 100 })
    await stage.advance(2000)
    assert.equal(stage.samples[1]?.cpuPercent, 0)
    stage.sampler.stop()
  })

  it('looks only while there is something to look at', async () => {
    const stage = new Stage()
    stage.os.add({ osPid: 10 })
    stage.sampler.add(pid(1), leader)
    await stage.advance(2000)
    stage.sampler.delete(pid(1))
    stage.sampler.stop()
    await stage.advance(20_000)
    assert.equal(stage.samples.length, 1)
    stage.sampler.add(pid(2), leader)
    await stage.advance(2000)
    assert.equal(stage.samples.length, 2)
    stage.sampler.stop()
  })

  it('says nothing of a leader whose number has another owner', async () => {
    const stage = new Stage()
    stage.os.add({ osPid: 10, start: 'later' })
    stage.sampler.add(pid(1), leader)
    await stage.advance(2000)
    assert.deepEqual(stage.samples, [])
    stage.sampler.stop()
  })
})
