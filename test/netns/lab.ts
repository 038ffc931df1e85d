// Real kernels, each in a network namespace of its own.

import assert from 'node:assert/strict'
import type { ControlClient, Peer } from '../../node/api/index.ts'
import { Lab, until } from '../chaos/kernel/lab.ts'
import type { CommandResult, KernelHandle } from '../chaos/kernel/lab.ts'
import { Net } from './net.ts'
import type { Place } from './net.ts'

const LISTEN = ['--listen', '/ip4/0.0.0.0/tcp/0']
/** What the mesh promises for every pair that can reach each other again. */
export const PROMISED_MS = 5000

export class NetLab {
  readonly net: Net
  readonly #lab: Lab
  readonly #kernels = new Map<string, KernelHandle>()

  private constructor(lab: Lab) {
    this.net = new Net()
    this.#lab = lab
  }

  static async open(): Promise<NetLab> {
    return new NetLab(await Lab.open())
  }

  async start(name: string, place: Place, ...flags: readonly string[]): Promise<void> {
    this.#lab.runBehind(name, place.words)
    this.#kernels.set(name, await this.#lab.start(name, ...LISTEN, ...flags))
  }

  /** The first founds the mesh; the others join it by its invites. */
  async startMesh(
    places: Readonly<Record<string, Place>>,
    ...flags: readonly string[]
  ): Promise<void> {
    const [founder, ...others] = Object.entries(places)
    if (founder === undefined) return
    await this.start(...founder, ...flags)
    for (const [name, place] of others) {
      const invite = await this.#lab.invite(founder[0])
      await this.start(name, place, '--join', invite, ...flags)
    }
    const names = Object.keys(places)
    await this.untilConnected(...names)
  }

  invite(name: string): Promise<string> {
    return this.#lab.invite(name)
  }

  /** Tries to start a new kernel with an invite. */
  join(name: string, place: Place, invite: string): Promise<CommandResult> {
    this.#lab.runBehind(name, place.words)
    return this.#lab.weaver(name, 'kernel', 'start', '--name', name, ...LISTEN, '--join', invite)
  }

  /** Waits until `name` has heard that it is an admin. */
  async untilAdmin(name: string): Promise<void> {
    await until(async () => {
      const peers = await this.client(name).peers()
      return peers.some((peer) => peer.name === name && peer.role === 'admin')
    })
  }

  until(holds: () => boolean | Promise<boolean>): Promise<void> {
    return until(holds)
  }

  weaver(name: string, ...args: readonly string[]): Promise<CommandResult> {
    return this.#lab.weaver(name, ...args)
  }

  kill(name: string): Promise<void> {
    return this.#lab.kill(name)
  }

  client(name: string): ControlClient {
    const kernel = this.#kernels.get(name)
    assert(kernel !== undefined)
    return kernel.client
  }

  done(name: string, ...args: readonly string[]): Promise<string> {
    return this.#lab.done(name, ...args)
  }

  /** How `viewer` sees `other` now. */
  async peer(viewer: string, other: string): Promise<Peer> {
    const peers = await this.client(viewer).peers()
    const found = peers.find(({ name }) => name === other)
    assert(found !== undefined, `${viewer} knows ${other}`)
    return found
  }

  /** Waits until each of them is connected with each other. @returns how long it took */
  async untilConnected(...names: readonly string[]): Promise<number> {
    return this.#until(names, (peer) => peer.connection !== null && peer.state === 'alive')
  }

  async untilDisconnected(...names: readonly string[]): Promise<number> {
    return this.#until(names, (peer) => peer.connection === null)
  }

  async close(): Promise<void> {
    await this.#lab.close()
    this.net.close()
  }

  async #until(names: readonly string[], holds: (peer: Peer) => boolean): Promise<number> {
    const startedAt = performance.now()
    const pairs = names.flatMap((one) =>
      names.filter((other) => other !== one).map((other) => [one, other] as const)
    )
    await until(async () => {
      for (const [one, other] of pairs) {
        const peer = await this.peer(one, other).catch(() => null)
        if (peer === null || !holds(peer)) return false
      }
      return true
    }, 60_000)
    return performance.now() - startedAt
  }
}
