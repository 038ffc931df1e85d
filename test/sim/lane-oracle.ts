// What must hold of the lanes, whatever the faults, checked on stored bytes from outside.
//
// Invariants
//   I1. An entry that was acknowledged as durable is in the lane, on the disk of its node.
//   I2. A lane is one line: no gap, each block after the one it names, one version of each height anywhere.

import assert from 'node:assert/strict'
import type { NodeId } from '../../core/index.ts'
import { StoredLane } from './stored-lane.ts'
import type { StoredBlock, StoredEntry } from './stored-lane.ts'
import type { SimDisk } from './world/sim-disk.ts'

const NO_HASH = '0'.repeat(64)

/** What the oracle sees of a machine: no kernel. */
export interface LaneMachine {
  readonly name: string
  readonly signer: { readonly nodeId: NodeId }
  readonly disk: SimDisk
}

export interface LaneWorld {
  readonly machines: readonly LaneMachine[]
  readonly oracles: (() => void)[]
  onEnd(listener: (machine: LaneMachine) => void): void
}

/** An entry that somebody was told is durable. */
export interface Acknowledged {
  readonly lane: NodeId
  readonly height: number
  readonly index: number
  readonly kind: string
  readonly subject: string
}

export class LaneOracle {
  readonly #machines: readonly LaneMachine[]
  readonly #acknowledged: Acknowledged[] = []
  /** By machine and lane. */
  readonly #lanes = new Map<string, StoredLane>()
  readonly #revisions = new Map<string, number>()
  /** By machine and lane: how far the line has been checked, and the hash of the last block. */
  readonly #checked = new Map<string, { readonly height: number; readonly hash: string }>()
  /** By lane and height: the hash of the one version (I2). */
  readonly #versions = new Map<string, string>()

  constructor(world: LaneWorld) {
    this.#machines = world.machines
    world.oracles.push(() => this.#checkChanged())
    world.onEnd((machine) => this.#checkAcknowledged(machine))
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length
  }

  /** To be called in the turn in which an append resolves. */
  acknowledge(entry: Acknowledged): void {
    this.#acknowledged.push(entry)
    const owner = this.#machines.find((machine) => machine.signer.nodeId === entry.lane)
    assert(owner !== undefined)
    this.#check(entry, this.blocks(owner, entry.lane))
  }

  /** The blocks of a lane as one machine's disk has them. */
  blocks(machine: LaneMachine, lane: NodeId): readonly StoredBlock[] {
    const key = `${machine.name} ${lane}`
    const stored = this.#lanes.get(key) ?? new StoredLane(machine.disk, lane)
    this.#lanes.set(key, stored)
    return stored.blocks()
  }

  /** All entries of a machine's own lane, oldest first. */
  own(machine: LaneMachine): readonly StoredEntry[] {
    return this.blocks(machine, machine.signer.nodeId).flatMap((block) => block.entries)
  }

  /** From the first byte on: is everything that was ever acknowledged still there, and as it was? */
  checkAll(): void {
    this.#lanes.clear()
    this.#revisions.clear()
    this.#checked.clear()
    this.#checkChanged()
    for (const machine of this.#machines) this.#checkAcknowledged(machine)
  }

  /** Whether all disks hold the same blocks of all lanes (I6). */
  areEqual(): boolean {
    return this.#machines.every(({ signer: { nodeId } }) => {
      const [first, ...others] = this.#machines.map((machine) => this.blocks(machine, nodeId))
      return others.every(
        (blocks) => blocks.length === first?.length && blocks.at(-1)?.hash === first.at(-1)?.hash
      )
    })
  }

  #checkChanged(): void {
    for (const machine of this.#machines) {
      if (this.#revisions.get(machine.name) === machine.disk.revision) continue
      this.#revisions.set(machine.name, machine.disk.revision)
      for (const { signer } of this.#machines) this.#checkLine(machine, signer.nodeId)
    }
  }

  #checkLine(machine: LaneMachine, lane: NodeId): void {
    const line = `${machine.name} ${lane}`
    let { height, hash } = this.#checked.get(line) ?? { height: 0, hash: NO_HASH }
    for (const block of this.blocks(machine, lane).slice(height)) {
      const where = `block ${block.height} of ${lane} on ${machine.name}`
      assert.equal(block.height, height + 1, `I2: ${where} does not follow`)
      assert.equal(block.previous, hash, `I2: ${where} names another predecessor`)
      const key = `${lane} ${block.height}`
      const version = this.#versions.get(key) ?? block.hash
      assert.equal(block.hash, version, `I2: ${where} is a second version`)
      this.#versions.set(key, version)
      height = block.height
      hash = block.hash
    }
    this.#checked.set(line, { height, hash })
  }

  #checkAcknowledged(machine: LaneMachine): void {
    const { nodeId } = machine.signer
    const blocks = this.blocks(machine, nodeId)
    for (const entry of this.#acknowledged) {
      if (entry.lane === nodeId) this.#check(entry, blocks)
    }
  }

  #check(entry: Acknowledged, blocks: readonly StoredBlock[]): void {
    const { height, index, lane, kind, subject } = entry
    const stored = blocks[height - 1]?.entries[index]
    const what = `I1: acknowledged entry ${height}.${index}@${lane}`
    assert(stored !== undefined, `${what} is not on the disk`)
    assert.deepEqual({ kind: stored.kind, subject: stored.subject }, { kind, subject }, what)
  }
}
