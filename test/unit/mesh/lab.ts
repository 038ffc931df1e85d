// Whole meshes in one process on virtual time.

import { createHash } from 'node:crypto'
import { millis, signerFromSeed } from '../../../core/index.ts'
import type { Cbor, Clock, KeyValueStore, NodeId, Signer } from '../../../core/index.ts'
import { createMesh } from '../../../mesh/index.ts'
import type { Mesh } from '../../../mesh/index.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { MemoryHub } from '../../doubles/network.ts'
import type { MemoryNetwork } from '../../doubles/network.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { untilQuiet } from '../../sim/world/quiet.ts'
import { SeededEntropy } from '../../sim/world/seeded-entropy.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

export function testSigner(seed: string): Signer {
  return signerFromSeed(new Uint8Array(createHash('sha256').update(seed).digest()))
}

interface Recorded {
  readonly kind: string
  readonly subject: string
  readonly payload: Cbor
}

/** One home: what survives when its kernel ends. */
export interface Home {
  readonly name: string
  readonly signer: Signer
  readonly store: MemoryStore
  readonly address: string
  /** Where its owner has said that others are. */
  staticAddresses?: readonly string[]
  generation: number
}

export interface Kernel {
  readonly home: Home
  readonly id: NodeId
  readonly mesh: Mesh
  readonly network: MemoryNetwork
  readonly recorded: Recorded[]
  readonly heard: [peer: NodeId, value: unknown][]
  /** What it says on each pulse. */
  load: Cbor
  /** Replace to make the ledger fail. */
  ledgerFailure: Error | null
}

export class Lab {
  readonly clock: VirtualClock = new VirtualClock()
  readonly hub: MemoryHub = new MemoryHub()
  /** What a real disk has under way, if one is in use: time stands still until it is done. */
  disk: () => Promise<unknown> | null = () => null
  readonly #prng = new SeededPrng(1)
  #homes = 0
  #boots = 0

  home(name: string): Home {
    this.#homes += 1
    const address = `/ip4/10.0.0.${this.#homes}/tcp/4001`
    return { name, signer: testSigner(name), store: new MemoryStore(), address, generation: 0 }
  }

  /** Starts a kernel on a home; `at` is the address where it listens. */
  async boot(
    home: Home,
    at: string = home.address,
    clock: Clock = this.clock,
    store: KeyValueStore = home.store
  ): Promise<Kernel> {
    home.generation += 1
    this.#boots += 1
    const network = this.hub.network(home.signer.nodeId, at)
    const recorded: Recorded[] = []
    const heard: [NodeId, unknown][] = []
    const mesh = createMesh(
      {
        network,
        clock,
        prng: this.#prng,
        entropy: new SeededEntropy(this.#prng),
        signer: home.signer,
        store,
        log: silentLog,
        ledger: {
          record: async (kind, subject, payload) => {
            if (kernel.ledgerFailure !== null) throw kernel.ledgerFailure
            recorded.push({ kind, subject, payload })
          }
        },
        pulse: {
          collect: () => kernel.load,
          receive: (peer, value) => heard.push([peer, value])
        }
      },
      {
        name: home.name,
        incarnation: { generation: home.generation, bootId: `boot-${this.#boots}` },
        staticAddresses: home.staticAddresses ?? []
      }
    )
    const id = home.signer.nodeId
    const load = { load: home.name }
    const kernel: Kernel = {
      home,
      id,
      mesh,
      network,
      recorded,
      heard,
      load,
      ledgerFailure: null
    }
    await this.settle(mesh.start())
    return kernel
  }

  async founder(name: string): Promise<Kernel> {
    const kernel = await this.boot(this.home(name))
    await this.settle(kernel.mesh.found())
    return kernel
  }

  async invite(
    kernel: Kernel,
    terms: { ttlMs?: number; uses?: number; role?: 'member' | 'admin' } = {}
  ): Promise<string> {
    const ttlMs = millis(terms.ttlMs ?? 600_000)
    const { line } = await this.settle(
      kernel.mesh.invite({ ttlMs, uses: terms.uses ?? 1, role: terms.role ?? 'member' })
    )
    return line
  }

  join(kernel: Kernel, line: string): Promise<Awaited<ReturnType<Mesh['join']>>> {
    return this.settle(kernel.mesh.join(line, new AbortController().signal))
  }

  /** A new kernel that has joined the mesh of `inviter` and is connected. */
  async member(inviter: Kernel, name: string): Promise<Kernel> {
    const kernel = await this.boot(this.home(name))
    await this.join(kernel, await this.invite(inviter))
    await this.pass(3000)
    return kernel
  }

  /** A power failure: the kernel says nothing more, and its stop is awaited only to end its tasks. */
  async kill(kernel: Kernel): Promise<void> {
    kernel.network.kill()
    await this.settle(kernel.mesh.stop())
  }

  /** Lets time pass until `promise` settles; fails the test after a virtual minute. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const done = promise.finally(() => {
      isSettled = true
    })
    done.catch(() => undefined) // The caller awaits the same rejection below.
    const end = this.clock.now() + 60_000
    for (;;) {
      await this.#quiet()
      if (isSettled) return done
      const next = this.clock.nextAt()
      if (next === null || next > end) throw new Error('The promise does not settle')
      this.clock.advanceTo(next)
    }
  }

  async pass(duration: number): Promise<void> {
    const end = this.clock.now() + duration
    for (;;) {
      await this.#quiet()
      const next = this.clock.nextAt()
      if (next === null || next > end) break
      this.clock.advanceTo(next)
    }
    this.clock.advanceTo(millis(end))
    await this.#quiet()
  }

  async #quiet(): Promise<void> {
    await untilQuiet()
    for (let work = this.disk(); work !== null; work = this.disk()) {
      await work
      await untilQuiet()
    }
  }
}

/** What a kernel believes of each member, by name. */
export function states(of: Kernel): Readonly<Record<string, string>> {
  return Object.fromEntries(of.mesh.peers().map(({ name, state }) => [name, state]))
}
