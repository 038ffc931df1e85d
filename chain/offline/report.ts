// What a verifier found, and what it looked at.

import type { MeshMember } from './membership.ts'

/** `height` and `entry` are null where the file as a whole is meant. */
export interface OfflineProblem {
  readonly lane: string | null
  readonly height: number | null
  readonly entry: number | null
  readonly code: string
  readonly message: string
}

/** A checkpoint that stood up to its checks. */
export interface CheckedCheckpoint {
  readonly lane: string
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  readonly hasMlDsa: boolean
  /** Members of the mesh that cosigned it, with their own times, in seconds since 1970. */
  readonly witnesses: readonly {
    readonly node: string
    readonly name: string
    readonly time: number
  }[]
}

/** The one entry that a proof is about. */
export interface ProvenEntry {
  readonly id: string
  /** Milliseconds since 1970: what the lane's owner claimed. */
  readonly time: number
  readonly kind: string
  readonly actor: string
  readonly subject: string
  /** Null where the proof leaves the payload out. */
  readonly payload: Uint8Array | null
}

export interface OfflineReport {
  readonly ok: boolean
  readonly format: 'proof' | 'export' | 'unknown'
  /** The mesh whose members signed all this. Everything hangs on it: compare it with the one you know. */
  readonly mesh: string | null
  readonly members: readonly MeshMember[]
  readonly lanes: number
  readonly blocks: number
  readonly entries: number
  readonly signatures: number
  /** Payloads that were removed, which is allowed: their hashes are still covered. */
  readonly payloadsAbsent: number
  readonly checkpoints: readonly CheckedCheckpoint[]
  readonly entry: ProvenEntry | null
  /** The entry that took its payload back, where the proof shows that. */
  readonly redaction: ProvenEntry | null
  readonly problems: readonly OfflineProblem[]
  readonly problemsOmitted: number
}

const PROBLEMS_MAX = 1000

export class Findings {
  lanes = 0
  blocks = 0
  entries = 0
  signatures = 0
  payloadsAbsent = 0
  mesh: string | null = null
  members: OfflineReport['members'] = []
  entry: ProvenEntry | null = null
  redaction: ProvenEntry | null = null
  readonly checkpoints: CheckedCheckpoint[] = []
  readonly #format: OfflineReport['format']
  readonly #problems: OfflineProblem[] = []
  #omitted = 0

  constructor(format: OfflineReport['format']) {
    this.#format = format
  }

  add(problem: OfflineProblem): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push(problem)
    else this.#omitted += 1
  }

  /** A problem of the file as a whole, or of a lane as a whole. */
  file(code: string, message: string, lane: string | null = null): void {
    this.add({ lane, height: null, entry: null, code, message })
  }

  report(): OfflineReport {
    const { lanes, blocks, entries, signatures, payloadsAbsent, mesh, members } = this
    return {
      ok: this.#problems.length === 0,
      format: this.#format,
      mesh,
      members,
      lanes,
      blocks,
      entries,
      signatures,
      payloadsAbsent,
      checkpoints: this.checkpoints,
      entry: this.entry,
      redaction: this.redaction,
      problems: this.#problems,
      problemsOmitted: this.#omitted
    }
  }
}
