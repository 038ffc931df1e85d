// The text of a proof file, and what it holds: docs/chain-format.md, "Proofs". Pure.

import { decodeText, fromBase64 } from './bytes.ts'
import { Malformed } from './errors.ts'

/** A proof of one entry, and one that also shows what took its payload back. */
export const PROOF_FORMAT = 'weft-proof/1'
export const REDACTION_PROOF_FORMAT = 'weft-proof/2'
/** 1,000 members' statements and a note of full size, in base64: a proof is far smaller. */
export const PROOF_BYTES_MAX: number = 8 * 1024 * 1024

/** One entry with its way to a checkpoint, decoded. `payload` is the slot, salt first. */
export interface ProofPart {
  readonly entry: {
    readonly id: string
    readonly bytes: Uint8Array
    readonly path: readonly Uint8Array[]
  }
  readonly payload: Uint8Array | null
  readonly header: Uint8Array
  readonly signature: Uint8Array
  /** The path of the block in the tree of the checkpoint. */
  readonly path: readonly Uint8Array[]
  readonly laneKey: Uint8Array | null
  readonly note: string
}

export interface Proof extends ProofPart {
  readonly mesh: string
  readonly statements: readonly Uint8Array[]
  /** The entry that took the payload back, in a proof that shows it. */
  readonly redaction: ProofPart | null
}

const PART_FIELDS = 'entry payload block checkpoint'

/** @throws Malformed for anything but the one text of a proof */
export function readProof(file: Uint8Array): Proof {
  const text = file.length <= PROOF_BYTES_MAX ? decodeText(file) : null
  if (text === null) throw new Malformed('it is not text, or too long')
  const value = parseJson(text)
  // One form only, so that no byte of the file is without meaning.
  if (`${JSON.stringify(value, null, 2)}\n` !== text)
    throw new Malformed('its JSON has another form')
  const format = value instanceof Object && 'format' in value ? value.format : null
  if (format !== PROOF_FORMAT && format !== REDACTION_PROOF_FORMAT) {
    throw new Malformed(`its format is neither ${PROOF_FORMAT} nor ${REDACTION_PROOF_FORMAT}`)
  }
  const isRedaction = format === REDACTION_PROOF_FORMAT
  const top = fields(value, `format mesh ${PART_FIELDS}${isRedaction ? ' redaction' : ''}`)
  if (isRedaction && top['payload'] !== null) {
    throw new Malformed('it shows a payload, and that it was redacted')
  }
  const mesh = fields(top['mesh'], 'id statements')
  const redaction = isRedaction ? partOf(fields(top['redaction'], PART_FIELDS)) : null
  const statements = byteList(mesh['statements'])
  return { mesh: asString(mesh['id']), statements, ...partOf(top), redaction }
}

function partOf(part: Readonly<Record<string, unknown>>): ProofPart {
  const entry = fields(part['entry'], 'id bytes path')
  const block = fields(part['block'], 'header signature path')
  const checkpoint = fields(part['checkpoint'], 'laneKey note')
  return {
    entry: {
      id: asString(entry['id']),
      bytes: asData(entry['bytes']),
      path: byteList(entry['path'])
    },
    payload: orNull(part['payload']),
    header: asData(block['header']),
    signature: asData(block['signature']),
    path: byteList(block['path']),
    laneKey: orNull(checkpoint['laneKey']),
    note: asString(checkpoint['note'])
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Malformed('it is not JSON')
  }
}

/** The fields of an object that has exactly these, in this order. */
function fields(value: unknown, names: string): Readonly<Record<string, unknown>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject || Object.keys(value).join(' ') !== names) {
    throw new Malformed(`it has other fields than ${names.replaceAll(' ', ', ')}`)
  }
  return Object.fromEntries(Object.entries(value))
}

function asString(value: unknown): string {
  if (typeof value !== 'string') throw new Malformed('a field is not text')
  return value
}

function asData(value: unknown): Uint8Array {
  const bytes = fromBase64(asString(value))
  if (bytes === null) throw new Malformed('a field is not base64')
  return bytes
}

function orNull(value: unknown): Uint8Array | null {
  return value === null ? null : asData(value)
}

function byteList(value: unknown): readonly Uint8Array[] {
  if (!Array.isArray(value)) throw new Malformed('a field is not a list')
  return value.map(asData)
}
