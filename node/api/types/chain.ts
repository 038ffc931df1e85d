// The chain in the control API.

import type { Json } from './basics.ts'

export interface Checkpoint {
  readonly size: number
  readonly root: string
  readonly witnesses: readonly string[]
}

/**
 * `ended`: the lane's key has handed over to another one, which goes on in its own lane. `unkept`: there is more of
 * it, and this node was told not to keep it.
 */
export type LaneState = 'ok' | 'behind' | 'unkept' | 'ended' | 'forked' | 'truncated'

/** A proof file, as its text. */
export interface ChainProof {
  readonly proof: string
}

/** A piece of an export file. */
export interface ExportChunk {
  readonly base64: string
}

export interface ChainLane {
  /** The node's name. */
  readonly node: string
  readonly nodeId: string
  readonly height: number
  readonly entries: number
  /** The hash of the newest block, hexadecimal. */
  readonly head: string
  /** Milliseconds that its newest entry, or its clock, is ahead of this node's clock; 0 within the usual tolerance. */
  readonly clockAheadMs: number
  /** Milliseconds that the node's clock was behind this one's when it cosigned last; 0 within the tolerance. */
  readonly clockBehindMs: number
  readonly checkpoint: Checkpoint | null
  readonly state: LaneState
  /** How much of it this node keeps. `filling`: whole, but older payloads are lacking still. */
  readonly kept: 'whole' | 'filling' | 'headers' | 'none'
  /** What its blocks take on this disk. */
  readonly bytes: number
  /** The key that goes on where this lane has ended. */
  readonly heir: string | null
}

/** Which lanes of others are to be kept whole, by node; null for all. */
export interface ChainKeep {
  readonly lanes: readonly string[] | null
  /** What is to be kept of the other lanes: nothing (so by default), or blocks without payloads. */
  readonly rest?: 'none' | 'headers' | undefined
}

/** What a node keeps from now on. */
export interface ChainKept {
  readonly lanes: readonly string[] | null
  readonly rest: 'none' | 'headers'
  /** Nodes of whose lanes the headers are kept: the admins among them always, since their redactions count here. */
  readonly headersOnly: readonly string[]
  /** Nodes whose lanes are to be whole, and of which nobody who is here could give all payloads. */
  readonly lacking: readonly string[]
  /** What the disk has got back. */
  readonly freedBytes: number
}

/** A change of key that has been asked for: it is carried out by the next start. */
export interface KeyRotation {
  readonly from: string
  readonly to: string
}

export interface ChainStatus {
  readonly mesh: string | null
  readonly lanes: readonly ChainLane[]
}

export interface ChainProblem {
  readonly lane: string
  readonly height: number | null
  readonly entry: string | null
  readonly code: string
  readonly message: string
}

export interface ChainReport {
  readonly ok: boolean
  readonly lanes: number
  readonly blocks: number
  readonly entries: number
  readonly signatures: number
  /** Blocks of these whose bytes are those of an earlier verification; absent where there was none. */
  readonly unchanged?: number | undefined
  /** Of those, blocks that were not read: by the file system's word nobody has written to their files since. */
  readonly unread?: number | undefined
  /** Nodes of whose lanes only headers are kept here: what their payloads say was not checked. */
  readonly headersOnly?: readonly string[] | undefined
  readonly problems: readonly ChainProblem[]
}

export interface ChainVerifyQuery {
  /** A node; null: all lanes. */
  readonly lane: string | null
  /** Read and check all anew, also what has been verified before and has not changed since. */
  readonly full: boolean
}

/** How far a verification is; the last step carries the report. */
export interface ChainVerifyStep {
  readonly lane: string | null
  readonly height: number
  readonly heightMax: number
  readonly blocks: number
  readonly entries: number
  readonly report: ChainReport | null
}

export interface ChainRedactionRequest {
  readonly entry: string
  readonly reason: string
}

export interface ChainRedaction {
  readonly entry: string
  /** The `chain.redacted` entry. */
  readonly by: string
  readonly reason: string
}

export interface ChainRepairedLane {
  readonly lane: string
  /** Blocks that were damaged or missing, and how many of them are sound again. */
  readonly damaged: number
  readonly repaired: number
  /** Heights that no member who could be reached has. */
  readonly missing: readonly { readonly from: number; readonly to: number }[]
}

export interface ChainRepair {
  readonly ok: boolean
  readonly lanes: readonly ChainRepairedLane[]
}

export interface ChainLogQuery {
  /** How many of the newest entries to begin with. */
  readonly lines: number
  readonly kind: string | null
  /** The story of a process or agent: what it did and what was done to it, its tasks and decisions. */
  readonly process: string | null
  /** `user:local`, `node:NODE`, `process:PROC`, or a node. */
  readonly actor: string | null
  /** A node: only its own lane. */
  readonly lane: string | null
  /** From and before, in milliseconds since 1970, by the times that the entries claim. */
  readonly since: number | null
  readonly until: number | null
  readonly follow: boolean
}

export interface ChainEntry {
  /** The name of the node whose lane it is. */
  readonly node: string
  readonly lane: string
  readonly height: number
  readonly index: number
  readonly entry: string
  readonly time: number
  readonly kind: string
  readonly actor: string
  readonly subject: string
  /** Null when the payload is not held. Bytes show as hexadecimal text. */
  readonly payload: Json
  /** The entry that has redacted the payload, or null. */
  readonly redactedBy: string | null
  /** False where the payload is elsewhere: this node was told to keep only the headers of the lane. */
  readonly isPayloadKept: boolean
}
