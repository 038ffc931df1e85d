// What is remembered of one lane's checkpoints, durably: the newest, the newest that others cosigned, the
// newest that this node cosigned itself, and the evidence against its owner.

import { encodeCbor, HASH_BYTES } from '../../core/index.ts'
import type { Cbor, NodeId } from '../../core/index.ts'
import { FormatError } from '../errors.ts'
import { INTEGER_MAX } from '../limits.ts'
import { readEvidence } from '../offline/evidence.ts'
import type { Evidence } from '../offline/evidence.ts'
import { readCheckpoint, readLaneKey } from '../offline/keys.ts'
import type { SignedCheckpoint } from '../offline/keys.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import type { LaneDisk } from '../ports.ts'
import { asBytes, asInteger, decodeTuple } from '../shape.ts'
import { TwinFile } from './twin-file.ts'
import type { WitnessMemory } from './witness.ts'

/** A checkpoint of which every line has been checked, as stored and as read. */
export interface KeptCheckpoint {
  readonly note: Uint8Array
  readonly checkpoint: SignedCheckpoint
}

export class LaneNotes {
  readonly lane: NodeId
  readonly #checkpoints: TwinFile
  readonly #witness: TwinFile
  readonly #evidence: TwinFile
  #latest: KeptCheckpoint | null = null
  #cosigned: KeptCheckpoint | null = null
  #laneKey: Uint8Array | null = null
  #memory: WitnessMemory | null = null
  #memoryNote: Uint8Array | null = null
  #proof: { readonly bytes: Uint8Array; readonly evidence: Evidence } | null = null

  private constructor(lane: NodeId, files: readonly [TwinFile, TwinFile, TwinFile]) {
    this.lane = lane
    ;[this.#checkpoints, this.#witness, this.#evidence] = files
  }

  /** @throws FormatError `CHAIN_FORMAT_INVALID` where a file with a valid checksum makes no sense */
  static async open(disk: LaneDisk, lane: NodeId): Promise<LaneNotes> {
    const notes = new LaneNotes(lane, [
      await TwinFile.open(disk, `${lane}.checkpoint`),
      await TwinFile.open(disk, `${lane}.witness`),
      await TwinFile.open(disk, `${lane}.evidence`)
    ])
    notes.#load()
    return notes
  }

  get latest(): KeptCheckpoint | null {
    return this.#latest
  }

  /** The newest with a witness; it may be older than `latest`. */
  get cosigned(): KeptCheckpoint | null {
    return this.#cosigned
  }

  get laneKey(): Uint8Array | null {
    return this.#laneKey
  }

  get mlDsa44(): Uint8Array | null {
    return this.#laneKey === null ? null : readLaneKey(nodePrimitives, this.#laneKey).mlDsa44
  }

  get memory(): WitnessMemory | null {
    return this.#memory
  }

  /** The note behind `memory`. */
  get memoryNote(): Uint8Array | null {
    return this.#memoryNote
  }

  get evidence(): { readonly bytes: Uint8Array; readonly evidence: Evidence } | null {
    return this.#proof
  }

  /** Durable once resolved. Calls must not overlap. */
  async keep(kept: KeptCheckpoint, laneKey: Uint8Array | null): Promise<void> {
    const isCosigned = kept.checkpoint.witnesses.length > 0
    const cosigned = isCosigned ? kept : this.#cosigned
    const latest =
      kept.checkpoint.size >= (this.#latest?.checkpoint.size ?? 0) ? kept : this.#latest
    const key = laneKey ?? this.#laneKey
    const body: Cbor = [1, latest?.note ?? null, cosigned?.note ?? null, key]
    await this.#checkpoints.write(encodeCbor(body))
    this.#latest = latest
    this.#cosigned = cosigned
    this.#laneKey = key
  }

  /** What this node is about to cosign. Durable once resolved. Calls must not overlap. */
  async remember(memory: WitnessMemory, note: Uint8Array): Promise<void> {
    const { size, root, time } = memory
    await this.#witness.write(encodeCbor([1, size, root, time, note]))
    this.#memory = memory
    this.#memoryNote = note
  }

  /** Keeps the first evidence for good. Durable once resolved. Calls must not overlap. */
  async convict(bytes: Uint8Array, evidence: Evidence): Promise<void> {
    if (this.#proof !== null) return
    await this.#evidence.write(bytes)
    this.#proof = { bytes, evidence }
  }

  #load(): void {
    const checkpoints = this.#checkpoints.value
    if (checkpoints !== null) {
      const [, latest, cosigned, key] = decodeTuple(checkpoints, 4, 'kept checkpoints')
      this.#laneKey = key instanceof Uint8Array ? key : null
      this.#latest = readKept(latest, this.mlDsa44)
      this.#cosigned = readKept(cosigned, this.mlDsa44)
    }
    const witness = this.#witness.value
    if (witness !== null) {
      const [, size, root, time, note] = decodeTuple(witness, 5, 'a cosigned checkpoint')
      this.#memory = {
        size: asInteger(size, INTEGER_MAX, 'a size'),
        root: asBytes(root, HASH_BYTES, 'a root'),
        time: time === null ? null : asInteger(time, INTEGER_MAX, 'a time')
      }
      this.#memoryNote = note instanceof Uint8Array ? note : null
    }
    const bytes = this.#evidence.value
    if (bytes !== null) this.#proof = { bytes, evidence: readEvidence(nodePrimitives, bytes) }
  }
}

function readKept(note: unknown, mlDsa44: Uint8Array | null): KeptCheckpoint | null {
  if (note === null) return null
  if (!(note instanceof Uint8Array)) throw new FormatError('a kept checkpoint is not bytes')
  return { note, checkpoint: readCheckpoint(nodePrimitives, note, mlDsa44) }
}
