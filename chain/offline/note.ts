// Signed notes, checkpoints and cosignatures as the C2SP specifies them (signed-note, tlog-checkpoint,
// tlog-cosignature). Pure: makes and reads the texts; keys and signing are the caller's.

import { base64, decodeText, encodeText, fromBase64, join, uint64 } from './bytes.ts'
import { Malformed } from './errors.ts'
import type { Primitives } from './primitives.ts'

/** The signature types in use here, by their C2SP bytes. */
export const ED25519_NOTE = 0x01
export const ED25519_COSIGNATURE = 0x04
export const ML_DSA_44_COSIGNATURE = 0x06

/** Room for 64 witnesses (about 150 bytes each) and one ML-DSA signature (3.3 kB) many times over. */
export const NOTE_BYTES_MAX: number = 64 * 1024
export const NOTE_LINES_MAX = 100
const KEY_ID_BYTES = 4
const SIZE_MAX = Number.MAX_SAFE_INTEGER
const ROOT_BYTES = 32

export interface NoteLine {
  /** Who signed, as the line names it. */
  readonly name: string
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

export interface Note {
  /** What is signed, with its final newline. */
  readonly text: string
  readonly lines: readonly NoteLine[]
}

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** @throws Malformed for anything but a note in its one form */
export function parseNote(bytes: Uint8Array): Note {
  const whole = bytes.length <= NOTE_BYTES_MAX ? decodeText(bytes) : null
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (whole === null || /[\u0000-\u0009\u000b-\u001f]/.test(whole)) {
    throw new Malformed('a note is not text, or too long')
  }
  const end = whole.lastIndexOf('\n\n')
  const text = whole.slice(0, end + 1)
  const rest = whole.slice(end + 2)
  if (end < 1 || !rest.endsWith('\n')) throw new Malformed('a note has no signatures')
  const lines = rest.slice(0, -1).split('\n').map(parseLine)
  if (lines.length > NOTE_LINES_MAX) throw new Malformed('a note has too many signatures')
  return { text, lines }
}

function parseLine(line: string): NoteLine {
  const [dash, name = '', encoded = '', ...more] = line.split(' ')
  const bytes = fromBase64(encoded)
  const isLine = dash === '\u2014' && more.length === 0 && isKeyName(name)
  if (!isLine || bytes === null || bytes.length <= KEY_ID_BYTES) {
    throw new Malformed('a signature line of a note has another form')
  }
  return { name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) }
}

function isKeyName(name: string): boolean {
  return name.length > 0 && !/[\s+]/u.test(name)
}

export function formatLine(line: NoteLine): string {
  return `\u2014 ${line.name} ${base64(join(line.keyId, line.signature))}\n`
}

export function formatNote({ text, lines }: Note): string {
  return `${text}\n${lines.map(formatLine).join('')}`
}

/** `SHA-256(name || 0x0A || type || public key)[:4]` */
export function keyId(
  { sha256 }: Primitives,
  name: string,
  type: number,
  publicKey: Uint8Array
): Uint8Array {
  const input = join(encodeText(`${name}\n`), Uint8Array.of(type), publicKey)
  return sha256(input).slice(0, KEY_ID_BYTES)
}

export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${base64(root)}\n`
}

/** The three lines of a checkpoint. Extension lines are refused: no lane signs any. @throws Malformed */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', last, ...more] = text.split('\n')
  const size = /^(?:0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : NaN
  const root = fromBase64(rootText)
  const isWhole = last === '' && more.length === 0 && origin !== ''
  if (!isWhole || !(size <= SIZE_MAX) || root?.length !== ROOT_BYTES) {
    throw new Malformed('a note is no checkpoint of three lines')
  }
  return { origin, size, root }
}

const TIME_BYTES = 8

/** The seconds since 1970 and the signature itself, from the bytes of a cosignature line. */
export function parseTimed(signature: Uint8Array): { time: number; signature: Uint8Array } {
  if (signature.length <= TIME_BYTES) throw new Malformed('a cosignature is too short')
  const view = new DataView(signature.buffer, signature.byteOffset, TIME_BYTES)
  const time = Number(view.getBigUint64(0))
  if (time > SIZE_MAX) throw new Malformed('a cosignature has an impossible time')
  return { time, signature: signature.slice(TIME_BYTES) }
}

export function formatTimed(time: number, signature: Uint8Array): Uint8Array {
  return join(uint64(time), signature)
}

/** What an Ed25519 cosignature signs. */
export function cosignedText(time: number, text: string): Uint8Array {
  return encodeText(`cosignature/v1\ntime ${time}\n${text}`)
}

/** What an ML-DSA-44 cosignature of a whole tree signs. */
export function cosignedTree(name: string, time: number, checkpoint: Checkpoint): Uint8Array {
  const { origin, size, root } = checkpoint
  const parts = [encodeText('subtree/v1\n\0'), prefixed(name), uint64(time), prefixed(origin)]
  return join(...parts, uint64(0), uint64(size), root)
}

function prefixed(text: string): Uint8Array {
  const bytes = encodeText(text)
  return join(Uint8Array.of(bytes.length), bytes)
}
