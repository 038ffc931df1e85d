import assert from 'node:assert/strict'
import { millis } from '../../../../core/index.ts'
import type { OsProcess } from '../../../../node/processes/os-processes.ts'
import { sharedScans } from '../../../../node/processes/shared-scans.ts'
import { FakeOsProcesses } from '../../../doubles/fake-os-processes.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

/** A scan of it takes 2 ms, and sees what is there at its end. */
class SlowOsProcesses extends FakeOsProcesses {
  readonly scannedAt: number[] = []
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    super()
    this.#clock = clock
  }

  override async scan(): Promise<readonly OsProcess[]> {
    this.scannedAt.push(this.#clock.now())
    await this.#clock.sleep(millis(2))
    return super.scan()
  }
}

describe('sharedScans', () => {
  it('scans at once, then gives those who ask during the rest one scan that begins later (S1, S2)', async () => {
    const clock = new VirtualClock()
    const os = new SlowOsProcesses(clock)
    const shared = sharedScans({ os, clock, isBusy: () => true })
    const pass = async (to: number): Promise<void> => {
      clock.advanceTo(millis(to))
      await untilQuiet()
    }
    const first = shared.scan({ withLeashes: true })
    await pass(2)
    assert.deepEqual(await first, [])
    const second = shared.scan({ withLeashes: true })
    await pass(10)
    os.add({ osPid: 70 })
    const third = shared.scan({ withLeashes: true })
    await pass(19)
    assert.deepEqual(os.scannedAt, [0])
    await pass(20)
    await pass(22)
    assert.deepEqual(os.scannedAt, [0, 20])
    assert.equal(await second, await third)
    assert.deepEqual(
      (await third).map(({ osPid }) => osPid),
      [70]
    )
  })

  it('lets nobody wait where one child runs after the other', async () => {
    const clock = new VirtualClock()
    const os = new SlowOsProcesses(clock)
    const shared = sharedScans({ os, clock, isBusy: () => false })
    for (const at of [0, 2, 4]) {
      const scan = shared.scan({ withLeashes: true })
      clock.advanceTo(millis(at + 2))
      await scan
    }
    assert.deepEqual(os.scannedAt, [0, 2, 4])
  })
})
