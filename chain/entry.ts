// Entries: who did what to what, when, and the hash of the payload that says the rest.
// docs/chain-format.md, section "Entries", is the specification of the bytes made here.

import { encodeCbor, HASH_BYTES, nodeId } from '../core/index.ts'
import type { Cbor, NodeId } from '../core/index.ts'
import { ChainQueryError, InvalidDraftError } from './errors.ts'
import type { Hlc } from './hlc.ts'
import {
  COUNTER_MAX,
  ENTRIES_PER_BLOCK_MAX,
  INTEGER_MAX,
  KIND_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
  SALT_BYTES,
  TEXT_BYTES_MAX
} from './limits.ts'
import { encodedEntry, plainCbor } from './plain-cbor.ts'
import { asBytes, asInteger, asKind, asText, decodeTuple, isKind, isText } from './shape.ts'

/** What a room asks to have recorded. */
export interface EntryDraft {
  /** `task.submitted`, `policy.decision`, ... */
  readonly kind: string
  /** Who did it: `user:local`, `node:<NodeId>`, `process:<gpid>`. */
  readonly actor: string
  /** What it was done to: `task:<TaskId>`, `process:<gpid>`, `node:<NodeId>`, `mesh:<MeshId>`. */
  readonly subject: string
  /** Everything else. Never a secret: it is replicated to every member. */
  readonly payload: Cbor
}

/** A draft whose payload has been encoded, so that later changes to the caller's objects do not count. */
export interface PendingEntry {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly payload: Uint8Array
}

export interface Entry {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly time: Hlc
  readonly payloadHash: Uint8Array
}

/** Where an entry stands. `id` is its text form, `<height>.<index>@<lane>`. */
export interface EntryRef {
  readonly lane: NodeId
  readonly height: number
  readonly index: number
  readonly id: string
}

export function encodeEntry(entry: Entry): Uint8Array {
  const { kind, actor, subject, time, payloadHash } = entry
  return encodedEntry({ kind, actor, subject, ms: time.ms, counter: time.counter, payloadHash })
}

/** @throws FormatError `CHAIN_FORMAT_INVALID` */
export function decodeEntry(bytes: Uint8Array): Entry {
  const [kind, actor, subject, ms, counter, payloadHash] = decodeTuple(bytes, 6, 'an entry')
  return {
    kind: asKind(kind, KIND_BYTES_MAX),
    actor: asText(actor, TEXT_BYTES_MAX, 'an actor'),
    subject: asText(subject, TEXT_BYTES_MAX, 'a subject'),
    time: {
      ms: asInteger(ms, INTEGER_MAX, 'the time of an entry'),
      counter: asInteger(counter, COUNTER_MAX, 'the counter of an entry')
    },
    payloadHash: asBytes(payloadHash, HASH_BYTES, 'a payload hash')
  }
}

/** @throws InvalidDraftError `CHAIN_DRAFT_INVALID` */
export function pendingEntry(draft: EntryDraft): PendingEntry {
  const { kind, actor, subject } = draft
  if (!isKind(kind, KIND_BYTES_MAX)) {
    throw new InvalidDraftError(`kind '${kind.slice(0, 64)}' must be words joined by '.' or '-'`)
  }
  if (!isText(actor, TEXT_BYTES_MAX) || !isText(subject, TEXT_BYTES_MAX)) {
    throw new InvalidDraftError(
      `actor '${actor.slice(0, 64)}' and subject '${subject.slice(0, 64)}' must be 1 to ` +
        `${TEXT_BYTES_MAX} bytes without control characters`
    )
  }
  const payload = plainCbor(draft.payload) ?? generalCbor(draft.payload)
  if (payload.length + SALT_BYTES > PAYLOAD_BYTES_MAX) {
    throw new InvalidDraftError(
      `a payload of ${payload.length} bytes is too large: must be <= ${PAYLOAD_BYTES_MAX - SALT_BYTES}`
    )
  }
  return { kind, actor, subject, payload }
}

function generalCbor(payload: Cbor): Uint8Array {
  refuseUnencodable(payload, 0)
  return encodeCbor(payload)
}

const DEPTH_MAX = 32 // Deeper nesting in a record of events is a mistake, or an attack on the decoder.

// The types forbid these values; what came through a cast must not reach a signed block.
function refuseUnencodable(value: unknown, depth: number): void {
  if (depth > DEPTH_MAX) throw new InvalidDraftError(`a payload nests deeper than ${DEPTH_MAX}`)
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return
  if (value instanceof Uint8Array) return
  if (Array.isArray(value)) {
    for (const item of value) refuseUnencodable(item, depth + 1)
    return
  }
  if (typeof value === 'object' && isPlain(value)) {
    for (const item of Object.values(value)) refuseUnencodable(item, depth + 1)
    return
  }
  throw new InvalidDraftError(`a payload may not contain ${typeof value}`)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (
    (prototype === Object.prototype || prototype === null) && !Object.hasOwn(value, '__proto__')
  )
}

export function entryRef(lane: NodeId, height: number, index: number): EntryRef {
  return { lane, height, index, id: `${height}.${index}@${lane}` }
}

/** Reads the text form of an entry's place. @throws ChainQueryError `CHAIN_QUERY_INVALID` */
export function entryId(text: string): EntryRef {
  const match = /^([1-9]\d{0,15})\.(0|[1-9]\d{0,3})@([1-9A-HJ-NP-Za-km-z]{1,64})$/.exec(text)
  const height = Number(match?.[1])
  const index = Number(match?.[2])
  if (match?.[3] === undefined || height > INTEGER_MAX || index >= ENTRIES_PER_BLOCK_MAX) {
    throw new ChainQueryError(
      `Cannot read '${text.slice(0, 96)}' as an entry id: write HEIGHT.INDEX@NODE-ID`
    )
  }
  return entryRef(nodeId(match[3]), height, index)
}
