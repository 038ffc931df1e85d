// Who may sign which line of a lane's checkpoint, and the statement by which a lane names its ML-DSA key.

import { asArray, asBytes, asInteger, asText, decode } from './cbor.ts'
import { encodeText, isSame, join, nodeKey, nodeText } from './bytes.ts'
import { Malformed } from './errors.ts'
import {
  cosignedText,
  cosignedTree,
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  keyId,
  ML_DSA_44_COSIGNATURE,
  parseCheckpoint,
  parseNote,
  parseTimed
} from './note.ts'
import type { Checkpoint, Note, NoteLine } from './note.ts'
import type { Primitives } from './primitives.ts'

export const ML_DSA_44_KEY_BYTES = 1312
export const ML_DSA_44 = 'ml-dsa-44'
/** What the statement of a lane's ML-DSA key is signed as. */
export const LANE_KEY_DOMAIN = 'weft/lane-key/1'
const LANE_PREFIX = 'weft-lane/'
const WITNESS_PREFIX = 'weft-witness/'
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const BODY_BYTES_MAX = 2048

/** The origin line of a lane's checkpoints, and the name of its keys. */
export function originOf(lane: string): string {
  return LANE_PREFIX + lane
}

/** The key name of a node as a witness. */
export function witnessName(node: string): string {
  return WITNESS_PREFIX + node
}

/** The lane of an origin line, or null where it is no lane's. */
export function laneOf(origin: string): string | null {
  const lane = origin.startsWith(LANE_PREFIX) ? origin.slice(LANE_PREFIX.length) : ''
  return nodeKey(lane) === null ? null : lane
}

/** Whether `signature` is the key's over `length(domain) || domain || bytes`. */
export function isSignedIn(
  { ed25519 }: Primitives,
  key: Uint8Array,
  domain: string,
  [bytes, signature]: readonly [bytes: Uint8Array, signature: Uint8Array]
): boolean {
  return ed25519(key, inDomain(domain, bytes), signature)
}

const prefixes = new Map<string, Uint8Array>()

export function inDomain(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return join(prefixOf(domain), ...parts)
}

/** `length(domain) || domain`: what stands before everything that is hashed or signed in a domain. */
export function prefixOf(domain: string): Uint8Array {
  let prefix = prefixes.get(domain)
  if (prefix === undefined) {
    const text = encodeText(domain)
    prefix = join(Uint8Array.of(text.length), text)
    prefixes.set(domain, prefix) // Domains are literals in the code: the map stays small.
  }
  return prefix
}

export interface LaneKey {
  readonly lane: string
  readonly mlDsa44: Uint8Array
}

/** @throws Malformed also where the lane's own key did not sign it */
export function readLaneKey(primitives: Primitives, bytes: Uint8Array): LaneKey {
  const [body, signature] = asArray(decode(bytes), 2, 'the statement of a key')
  if (!(body instanceof Uint8Array) || body.length > BODY_BYTES_MAX) {
    throw new Malformed('the statement of a key has another form')
  }
  const [version, lane, algorithm, key] = asArray(decode(body), 4, 'the statement of a key')
  if (asInteger(version, 1, 'its version') !== 1) throw new Malformed('its version is unknown')
  if (asText(algorithm, 'an algorithm') !== ML_DSA_44) throw new Malformed('an unknown algorithm')
  const owner = asBytes(lane, KEY_BYTES, 'a lane')
  const signed = asBytes(signature, SIGNATURE_BYTES, 'a signature')
  if (!isSignedIn(primitives, owner, LANE_KEY_DOMAIN, [body, signed])) {
    throw new Malformed('the statement of a key is not signed by its lane')
  }
  return { lane: nodeText(owner), mlDsa44: asBytes(key, ML_DSA_44_KEY_BYTES, 'a key') }
}

/** A checkpoint whose owner's Ed25519 signature stands, and who else has signed it. */
export interface SignedCheckpoint extends Checkpoint {
  readonly lane: string
  readonly text: string
  /** Seconds since 1970 by the owner's own clock, where an ML-DSA line that could be checked says so. */
  readonly time: number | null
  readonly hasMlDsa: boolean
  readonly witnesses: readonly { readonly node: string; readonly time: number }[]
  /** Lines of keys that nobody here knows: not judged. */
  readonly unknown: readonly NoteLine[]
  readonly signatures: number
}

/**
 * Checks every line whose key is known: the lane's, its ML-DSA key if given, and any node's as a witness.
 * @throws Malformed where one of them is wrong, or the owner's Ed25519 line is missing
 */
export function readCheckpoint(
  primitives: Primitives,
  bytes: Uint8Array,
  mlDsa44: Uint8Array | null
): SignedCheckpoint {
  const note = parseNote(bytes)
  const checkpoint = parseCheckpoint(note.text)
  const lane = laneOf(checkpoint.origin)
  const key = lane === null ? null : nodeKey(lane)
  if (lane === null || key === null) throw new Malformed('a checkpoint of no lane')
  const lines = new Lines(primitives, { note, checkpoint, key, mlDsa44 })
  for (const line of note.lines) lines.read(line)
  if (!lines.isOwned) throw new Malformed('a checkpoint that its lane has not signed')
  const { text } = note
  const { time, witnesses, unknown, signatures } = lines
  return {
    ...checkpoint,
    lane,
    text,
    time,
    hasMlDsa: time !== null,
    signatures,
    witnesses: [...witnesses].map(([node, at]) => ({ node, time: at })),
    unknown
  }
}

interface LinesOf {
  readonly note: Note
  readonly checkpoint: Checkpoint
  readonly key: Uint8Array
  readonly mlDsa44: Uint8Array | null
}

class Lines {
  isOwned = false
  time: number | null = null
  signatures = 0
  readonly witnesses = new Map<string, number>()
  readonly unknown: NoteLine[] = []
  readonly #primitives: Primitives
  readonly #of: LinesOf

  constructor(primitives: Primitives, of: LinesOf) {
    this.#primitives = primitives
    this.#of = of
  }

  read(line: NoteLine): void {
    const { checkpoint, key, mlDsa44 } = this.#of
    const isOwner = line.name === checkpoint.origin
    if (isOwner && this.#isKey(line, ED25519_NOTE, key)) this.#owner(line)
    else if (isOwner && mlDsa44 !== null && this.#isKey(line, ML_DSA_44_COSIGNATURE, mlDsa44)) {
      this.#ownerTimed(line, mlDsa44)
    } else if (!this.#witness(line)) this.unknown.push(line)
  }

  #isKey(line: NoteLine, type: number, key: Uint8Array): boolean {
    return isSame(line.keyId, keyId(this.#primitives, line.name, type, key))
  }

  #owner({ signature }: NoteLine): void {
    const { key, note } = this.#of
    if (this.isOwned) throw new Malformed('a checkpoint is signed twice by one key')
    if (!this.#primitives.ed25519(key, encodeText(note.text), signature)) {
      throw new Malformed("the owner's signature of a checkpoint is wrong")
    }
    this.isOwned = true
    this.signatures += 1
  }

  #ownerTimed(line: NoteLine, key: Uint8Array): void {
    const { time, signature } = parseTimed(line.signature)
    const message = cosignedTree(line.name, time, this.#of.checkpoint)
    if (this.time !== null) throw new Malformed('a checkpoint is signed twice by one key')
    if (!this.#primitives.mlDsa44(key, message, signature)) {
      throw new Malformed("the owner's ML-DSA signature of a checkpoint is wrong")
    }
    this.time = time
    this.signatures += 1
  }

  #witness(line: NoteLine): boolean {
    const node = line.name.startsWith(WITNESS_PREFIX) ? line.name.slice(WITNESS_PREFIX.length) : ''
    const key = nodeKey(node)
    if (key === null || !this.#isKey(line, ED25519_COSIGNATURE, key)) return false
    const { time, signature } = parseTimed(line.signature)
    if (this.witnesses.has(node))
      throw new Malformed('a checkpoint is cosigned twice by one witness')
    if (!this.#primitives.ed25519(key, cosignedText(time, this.#of.note.text), signature)) {
      throw new Malformed(`the cosignature of witness ${node} is wrong`)
    }
    this.witnesses.set(node, time)
    this.signatures += 1
    return true
  }
}
