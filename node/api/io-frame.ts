// The frames of an attached process: one type byte, then the payload. They pass opaquely through the
// scheduler and the mesh; only the two ends (the command on one side, the process on the other) and the
// control API read them. docs/task-protocol.md has the same table.

import { decodeCbor, encodeCbor, unreachable, utf8, WeaverError } from '../../core/index.ts'
import type { ApiErrorBody, Exit } from './types/basics.ts'
import type { Task } from './types/work.ts'

/** Bytes of one frame, its type byte included. An outcome repeats the command: twice its limit. */
export const IO_FRAME_BYTES_MAX: number = 1024 * 1024
/** Payload bytes that a sender should put into one stdin, stdout or stderr frame: one pipe buffer. */
export const IO_CHUNK_BYTES: number = 64 * 1024

export type IoFrame =
  | { readonly kind: 'stdin' | 'stdout' | 'stderr'; readonly bytes: Uint8Array }
  | { readonly kind: 'stdin-end' }
  | { readonly kind: 'signal'; readonly name: string }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'exit'; readonly exit: Exit }
  /** One line for the user's stderr. */
  | { readonly kind: 'note'; readonly text: string }
  // The control API's own, around the others: one submission opens; accepted or failure answers it; one
  // outcome (the task in its final state) or failure closes.
  | { readonly kind: 'submission'; readonly submission: unknown }
  | { readonly kind: 'accepted'; readonly task: Task }
  | { readonly kind: 'outcome'; readonly task: Task }
  | { readonly kind: 'failure'; readonly error: ApiErrorBody }

const TYPES = {
  stdin: 0,
  'stdin-end': 1,
  signal: 2,
  resize: 3,
  stdout: 16,
  stderr: 17,
  exit: 18,
  note: 19,
  outcome: 20,
  failure: 21,
  accepted: 22,
  submission: 32
} as const satisfies Record<IoFrame['kind'], number>

const KINDS: ReadonlyMap<number, IoFrame['kind']> = new Map([
  [TYPES.stdin, 'stdin'],
  [TYPES['stdin-end'], 'stdin-end'],
  [TYPES.signal, 'signal'],
  [TYPES.resize, 'resize'],
  [TYPES.stdout, 'stdout'],
  [TYPES.stderr, 'stderr'],
  [TYPES.exit, 'exit'],
  [TYPES.note, 'note'],
  [TYPES.outcome, 'outcome'],
  [TYPES.failure, 'failure'],
  [TYPES.accepted, 'accepted'],
  [TYPES.submission, 'submission']
])

export function encodeIoFrame(frame: IoFrame): Uint8Array {
  const payload = payloadOf(frame)
  // Not zeroed first: every byte is written, and this is each byte's way in and out.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(1 + payload.length).buffer)
  bytes[0] = TYPES[frame.kind]
  bytes.set(payload, 1)
  return bytes
}

function payloadOf(frame: IoFrame): Uint8Array {
  switch (frame.kind) {
    case 'stdin':
    case 'stdout':
    case 'stderr':
      return frame.bytes
    case 'stdin-end':
      return new Uint8Array(0)
    case 'signal':
      return utf8(frame.name)
    case 'note':
      return utf8(frame.text)
    case 'resize':
      return encodeCbor({ columns: frame.columns, rows: frame.rows })
    case 'exit':
      return encodeCbor({ code: frame.exit.code, signal: frame.exit.signal })
    case 'accepted':
    case 'outcome':
      return utf8(JSON.stringify(frame.task))
    case 'failure':
      return utf8(JSON.stringify(frame.error))
    case 'submission':
      return utf8(JSON.stringify(frame.submission))
    default:
      return unreachable(frame)
  }
}

/**
 * The bytes of a `stdin`, `stdout` or `stderr` frame are a view of `bytes`, not a copy.
 * @throws WeaverError `API_INVALID_FRAME` unless `bytes` is one whole frame.
 */
export function decodeIoFrame(bytes: Uint8Array): IoFrame {
  const kind = KINDS.get(bytes[0] ?? -1)
  if (kind === undefined) throw invalid(`type ${bytes[0] ?? 'none'} is unknown`)
  const payload = bytes.subarray(1)
  switch (kind) {
    case 'stdin':
    case 'stdout':
    case 'stderr':
      return { kind, bytes: payload }
    case 'stdin-end':
      return { kind }
    case 'signal':
      return { kind, name: signalName(text(payload)) }
    case 'note':
      return { kind, text: text(payload) }
    case 'resize':
      return { kind, ...windowSize(decodeCbor(payload)) }
    case 'exit':
      return { kind, exit: exit(decodeCbor(payload)) }
    case 'accepted':
    case 'outcome':
      return { kind, task: parsed((): Task => JSON.parse(text(payload))) }
    case 'failure':
      return { kind, error: parsed((): ApiErrorBody => JSON.parse(text(payload))) }
    case 'submission':
      return { kind, submission: parsed((): unknown => JSON.parse(text(payload))) }
    default:
      return unreachable(kind)
  }
}

function text(payload: Uint8Array): string {
  return new TextDecoder().decode(payload)
}

/** What the JSON says is not checked: both ends are on this machine and of one user. */
function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new WeaverError('API_INVALID_FRAME', 'Cannot read I/O frame: its JSON is damaged', {
      cause: error
    })
  }
}

function signalName(name: string): string {
  if (!/^SIG[A-Z0-9]{1,12}$/.test(name)) throw invalid('the name of its signal is malformed')
  return name
}

function windowSize(value: unknown): { readonly columns: number; readonly rows: number } {
  const { columns, rows } = fields(value)
  if (!isWindowSide(columns) || !isWindowSide(rows)) throw invalid('its window size is malformed')
  return { columns, rows }
}

function isWindowSide(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= 0xffff
}

function exit(value: unknown): Exit {
  const { code, signal } = fields(value)
  const isCode = code === null || (Number.isInteger(code) && Number(code) >= 0)
  const isSignal = signal === null || typeof signal === 'string'
  if (!isCode || !isSignal) throw invalid('its exit is malformed')
  return {
    code: code === null ? null : Number(code),
    signal: signal === null ? null : signalName(signal)
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw invalid('its payload is not a map')
  return { ...value }
}

function invalid(why: string): WeaverError {
  return new WeaverError('API_INVALID_FRAME', `Cannot read I/O frame: ${why}`)
}
