// What the kernel and its worker processes say to each other. The kernel checks each answer in
// worker-process.ts, because a guest that broke out of its engine would be the one that speaks. A worker
// trusts the kernel, and looks no further than the kind of a request.

export interface TranspiledFile {
  readonly name: string
  readonly sha256: string
  readonly sizeBytes: number
}

export interface LoadRequest {
  readonly type: 'load'
  readonly folder: string
  readonly files: readonly TranspiledFile[]
  readonly outputBytesMax: number
  readonly memoriesMax: number
}

export interface CallRequest {
  readonly type: 'call'
  readonly method: 'call' | 'describe'
  readonly input: string
}

export type GuestRequest = LoadRequest | CallRequest

export interface TranspileRequest {
  readonly type: 'transpile'
  /** The bytes of the component in base64. */
  readonly component: string
}

/** `memoryBytes` is the largest that the guest's linear memory has been: it never shrinks. */
export type CallReply =
  | { readonly type: 'returned'; readonly text: string; readonly memoryBytes: number }
  | { readonly type: 'failed'; readonly text: string; readonly memoryBytes: number }
  | { readonly type: 'trapped'; readonly text: string; readonly memoryBytes: number }
  | { readonly type: 'output-too-large'; readonly bytes: number; readonly memoryBytes: number }

export type GuestReply =
  | CallReply
  | { readonly type: 'loaded' }
  | { readonly type: 'corrupt'; readonly file: string }
  | { readonly type: 'unusable'; readonly why: string }

export type TranspileReply =
  | {
      readonly type: 'transpiled'
      readonly imports: readonly string[]
      readonly exports: readonly string[]
      readonly files: readonly { readonly name: string; readonly base64: string }[]
    }
  | { readonly type: 'invalid'; readonly why: string }

export function guestRequest(message: unknown): GuestRequest {
  const type = typeOf(message)
  if (type !== 'load' && type !== 'call') throw new Error('An unknown request')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- said by the kernel of this process
  return message as GuestRequest
}

export function transpileRequest(message: unknown): TranspileRequest {
  if (typeOf(message) !== 'transpile') throw new Error('An unknown request')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- said by the kernel of this process
  return message as TranspileRequest
}

function typeOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'type' in message ? message.type : null
}
