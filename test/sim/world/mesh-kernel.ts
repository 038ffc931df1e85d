// A kernel that is a mesh and nothing else, in the simulated world. It changes its rows without end.

import { millis, utf8 } from '../../../core/index.ts'
import { createMesh } from '../../../mesh/index.ts'
import type { Mesh } from '../../../mesh/index.ts'
import type { NodePorts } from './world.ts'

/** The machine that founds the mesh; the others join. */
export const FOUNDER = 'ada'

export class MeshKernel {
  readonly mesh: Mesh
  readonly #ports: NodePorts
  #isQuiet = false

  private constructor(ports: NodePorts, mesh: Mesh) {
    this.#ports = ports
    this.mesh = mesh
  }

  static async start(ports: NodePorts): Promise<MeshKernel> {
    const { network, clock, prng, entropy, signer, store, log, name } = ports
    const generation = Buffer.from((await store.get('sim/generation')) ?? []).toString()
    const next = Number(generation) + 1
    await store.write([{ key: 'sim/generation', value: utf8(String(next)) }])
    const mesh = createMesh(
      {
        network,
        clock,
        prng,
        entropy,
        signer,
        store,
        log,
        ledger: { record: () => clock.sleep(millis(2)) },
        pulse: { collect: () => null, receive: () => undefined }
      },
      {
        name,
        incarnation: { generation: next, bootId: Buffer.from(entropy.bytes(8)).toString('hex') }
      }
    )
    await mesh.start()
    if (name === FOUNDER) await mesh.found()
    const kernel = new MeshKernel(ports, mesh)
    void kernel.#change()
    return kernel
  }

  quieten(): void {
    this.#isQuiet = true
  }

  async stop(): Promise<void> {
    await this.mesh.stop()
  }

  /** Puts and deletes rows of its own, without end. */
  async #change(): Promise<void> {
    const { prng, clock } = this.#ports
    for (let count = 0; !this.#isQuiet; count++) {
      await clock.sleep(millis(prng.below(1000)))
      const key = String(prng.below(20))
      if (prng.below(4) === 0) this.mesh.rows.delete('process', key)
      else this.mesh.rows.put('process', key, { count, text: 'x'.repeat(prng.below(200)) })
    }
  }
}
