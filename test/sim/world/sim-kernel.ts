// A whole kernel in the simulated world: the same `createKernel` that the real shell runs.

import { SEED_BYTES, signerFromSeed, utf8, WeaverError } from '../../../core/index.ts'
import type { KeyValueStore } from '../../../core/index.ts'
import { createKernel } from '../../../node/kernel.ts'
import type { Kernel } from '../../../node/kernel.ts'
import { kernelService } from '../../../node/kernel-service.ts'
import { Secrets } from '../../../node/secrets.ts'
import { MemorySecretFiles } from '../../doubles/secret-files.ts'
import { createPids } from '../../../node/processes/pids.ts'
import type { Rooms } from '../../../node/rooms.ts'
import type { KernelService } from '../../../node/service.ts'
import { createSandbox } from '../../../sandbox-wasm/index.ts'
import { noWalls } from '../../doubles/sandboxes.ts'
import type { NodePorts, SimKernel } from './world.ts'

export interface KernelShape {
  /** Memory of each GPU that the machine declares. */
  readonly gpus: readonly number[]
  readonly labels: Readonly<Record<string, string>>
}

const GIGABYTE = 1e9

/** One kernel of one life. */
export class WholeKernel implements SimKernel {
  readonly rooms: Rooms
  readonly service: KernelService
  readonly #kernel: Kernel

  private constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.rooms = kernel.rooms
    this.service = kernelService(kernel.rooms, {
      osPid: 1,
      http: () => null,
      requestStop: () => undefined,
      logs: () => nothing()
    })
  }

  static async start(ports: NodePorts, shape: KernelShape): Promise<WholeKernel> {
    const { clock, prng, entropy, log, signer, store, disk, network, processes, name } = ports
    const { blobDisk } = ports
    const generation = await count(store, 'sim/generation')
    const kernel = await createKernel(
      {
        clock,
        prng,
        entropy,
        log,
        signer,
        store,
        network,
        laneDisk: disk,
        blobDisk,
        isRepeatable: true,
        pids: createPids({ store }),
        agentProcesses: processes,
        taskProcesses: processes,
        outputs: { read: () => nothing() },
        // Never asked here for a tool: it would start a real process.
        sandbox: createSandbox(
          { clock, log, walls: noWalls },
          { cacheFolder: '/nowhere', execPath: '/nowhere' }
        ),
        secrets: await Secrets.open({ files: new MemorySecretFiles(), clock, entropy }),
        missingContainment: () => new WeaverError('CONTAINMENT_MISSING', 'Not simulated'),
        streamMeter: () => undefined,
        laneMeter: () => undefined,
        machineLoad: () => ({ cpuLoad: prng.below(100) / 100, memoryFreeBytes: GIGABYTE }),
        samples: () => new Map(),
        prepareKey: () => signerFromSeed(entropy.bytes(SEED_BYTES))
      },
      {
        name,
        labels: shape.labels,
        resources: {
          cpus: 4,
          memoryBytes: 8 * GIGABYTE,
          gpus: shape.gpus.map((memoryBytes, index) => ({
            index,
            vendor: 'nvidia',
            vendorIndex: index,
            model: 'simulated',
            memoryBytes,
            isDeclared: true
          }))
        },
        containment: 'simulated',
        version: '0.0.0-sim',
        home: `/sim/${name}`,
        incarnation: { generation, bootId: Buffer.from(entropy.bytes(8)).toString('hex') }
      }
    )
    const { signal } = new AbortController()
    await kernel.start({ invite: null, signal, reaped: [] })
    void kernel.failed.then((error) => ports.fail(error))
    return new WholeKernel(kernel)
  }

  async stop(): Promise<void> {
    await this.#kernel.stop('the simulation is over')
  }
}

/** The next number of a counter in the store. */
async function count(store: KeyValueStore, key: string): Promise<number> {
  const stored = await store.get(key)
  const next = stored === null ? 1 : Number(Buffer.from(stored).toString()) + 1
  await store.write([{ key, value: utf8(String(next)) }])
  return next
}

async function* nothing(): AsyncGenerator<never> {}
