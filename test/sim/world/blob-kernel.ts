// A kernel that is a mesh and its blobs, in the simulated world. It stores blobs of its own and fetches those
// of others without end.

import { millis, WeaverError } from '../../../core/index.ts'
import type { BlobId } from '../../../core/index.ts'
import { Blobs } from '../../../mesh/index.ts'
import { MeshKernel } from './mesh-kernel.ts'
import type { NodePorts, SimKernel } from './world.ts'

/** One machine has room for its own blobs and little more. */
export const SMALL_MACHINE = 'bob'
const SMALL_BUDGET_BYTES = 4_000_000

/** What happens in one world, over all lives: a simulation that exercised nothing proves nothing. */
export interface BlobWork {
  /** Every blob that `put` has told anybody of, with where, and its bytes. */
  readonly stored: Map<BlobId, { readonly by: string; readonly bytes: Uint8Array }>
  readonly failures: Map<string, number>
  fetches: number
  resumed: number
}

export class BlobKernel implements SimKernel {
  readonly mesh: MeshKernel['mesh']
  readonly blobs: Blobs
  readonly #base: MeshKernel
  readonly #ports: NodePorts
  readonly #work: BlobWork
  #isQuiet = false

  private constructor(ports: NodePorts, base: MeshKernel, work: BlobWork) {
    this.#ports = ports
    this.#base = base
    this.#work = work
    this.mesh = base.mesh
    const { mesh } = base
    const deps = {
      ...ports,
      disk: ports.blobDisk,
      rpc: mesh.rpc,
      gate: { authorizeServe: () => ports.clock.sleep(millis(2)) },
      peers: () =>
        mesh
          .peers()
          .filter(({ isConnected, nodeId }) => isConnected && nodeId !== mesh.nodeId)
          .map(({ nodeId }) => nodeId)
    }
    const isSmall = ports.name === SMALL_MACHINE
    this.blobs = new Blobs(deps, isSmall ? { budgetBytes: SMALL_BUDGET_BYTES } : {})
    mesh.serve(this.blobs.service)
  }

  static async start(ports: NodePorts, work: BlobWork): Promise<BlobKernel> {
    const base = await MeshKernel.start(ports)
    const kernel = new BlobKernel(ports, base, work)
    await kernel.blobs.open()
    void kernel.#put().catch(() => undefined)
    void kernel.#fetch().catch(() => undefined)
    return kernel
  }

  quieten(): void {
    this.#isQuiet = true
    this.#base.quieten()
  }

  async stop(): Promise<void> {
    await this.blobs.stop()
    await this.#base.stop()
  }

  /** Fetches `id`, and compares every byte that is delivered with what was stored. */
  async check(id: BlobId, signal: AbortSignal): Promise<void> {
    const { stored, failures } = this.#work
    const wanted = stored.get(id)?.bytes ?? new Uint8Array()
    this.#work.fetches += 1
    try {
      let isFirst = true
      await this.blobs.get(id, {
        signal,
        onProgress: ({ bytes }) => {
          if (isFirst && bytes > 0) this.#work.resumed += 1
          isFirst = false
        }
      })
      let at = 0
      for await (const part of this.blobs.read(id)) {
        if (Buffer.compare(part, wanted.subarray(at, at + part.length)) !== 0) {
          this.#ports.fail(new Error(`B1 is broken: wrong bytes of ${id} at ${at}`))
          throw new Error('B1 is broken')
        }
        at += part.length
      }
      if (at !== wanted.length) throw new Error(`B1 is broken: ${at} of ${wanted.length} bytes`)
    } catch (error) {
      if (!(error instanceof WeaverError)) throw error
      failures.set(error.code, (failures.get(error.code) ?? 0) + 1)
      throw error
    }
  }

  async #put(): Promise<void> {
    const { prng, clock, entropy, name } = this.#ports
    for (let count = 0; count < 3 && !this.#isQuiet; count += 1) {
      await clock.sleep(millis(500 + prng.below(2000)))
      const bytes = entropy.bytes(1 + prng.below(900_000))
      const source = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
      }
      const { id } = await this.blobs.put(source(), {
        isPinned: true,
        signal: new AbortController().signal
      })
      this.#work.stored.set(id, { by: name, bytes }) // From here on it must never be lost (B3).
    }
  }

  async #fetch(): Promise<void> {
    const { prng, clock } = this.#ports
    while (!this.#isQuiet) {
      await clock.sleep(millis(100 + prng.below(500)))
      const ids = [...this.#work.stored.keys()]
      const id = ids[prng.below(Math.max(1, ids.length))]
      if (id === undefined) continue
      await this.check(id, new AbortController().signal).catch((error: unknown) => {
        if (!(error instanceof WeaverError)) throw error
      })
    }
  }
}
