// Goal: what the simulator puts in the place of real things keeps the same contracts.
// Method: the conformance suites that the real things pass, while virtual time is moved along.

import { signerFromSeed, SEED_BYTES } from '../../core/index.ts'
import type { LaneDisk } from '../../chain/index.ts'
import { laneDiskConformance } from '../conformance/lane-disk.ts'
import { describeNetwork } from '../conformance/network.ts'
import { Life } from './world/life.ts'
import { untilQuiet } from './world/quiet.ts'
import { SeededEntropy } from './world/seeded-entropy.ts'
import { SeededPrng } from './world/seeded-prng.ts'
import { SimDisk } from './world/sim-disk.ts'
import { SimNetwork } from './world/sim-network.ts'
import { StorageTiming } from './world/storage-timing.ts'
import { Trace } from './world/trace.ts'
import { VirtualClock } from './world/virtual-clock.ts'

const ROUGH = { latencyMs: 10, jitterMs: 20, lossPercent: 10, bytesPerMs: 10_000 }

/** Moves time from event to event, beside a test that knows nothing of it. */
class Pump {
  readonly clock = new VirtualClock()
  #isStopped = false

  async run(): Promise<void> {
    while (!this.#isStopped) {
      await untilQuiet()
      this.clock.step()
    }
  }

  stop(): void {
    this.#isStopped = true
  }
}

describe('sim: ports', () => {
  let pump = new Pump()

  beforeEach(() => {
    pump = new Pump()
    void pump.run()
  })

  afterEach(() => {
    pump.stop()
  })

  const makeDisk = async (): Promise<LaneDisk> => {
    const counts = { tornWrites: 0, lostWrites: 0, refused: 0, failed: 0, misreported: 0 }
    const timing = new StorageTiming({ clock: pump.clock, prng: new SeededPrng(1), counts })
    return new SimDisk(timing, () => undefined).attach(new Life())
  }
  laneDiskConformance('the simulated disk', makeDisk, { hasMarks: false })

  describeNetwork('the simulated network', () => {
    const { clock } = pump
    const fabric = new SimNetwork(
      { clock, prng: new SeededPrng(2), trace: new Trace() },
      { quality: ROUGH, dialFailPercent: 0 }
    )
    const lives: Life[] = []
    const entropy = new SeededEntropy(new SeededPrng(3))
    return {
      create: () => {
        const { nodeId } = signerFromSeed(entropy.bytes(SEED_BYTES))
        const life = new Life()
        lives.push(life)
        fabric.addMachine(nodeId)
        return fabric.attach(nodeId, life)
      },
      settle: (done) => done,
      stop: async () => {
        for (const life of lives) life.end('stopped')
      }
    }
  })
})
