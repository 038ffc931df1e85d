// Between the standard streams of one child and whoever takes part in them: a channel of I/O frames while
// somebody is attached, the spool otherwise.
//
// Invariants
//   I1. Each output stream is read only as fast as its bytes are taken: nothing here holds more than one
//       chunk of each, and what its filter holds back. A reader that stops stops the child.
//   I2. Bytes of one stream keep their order. What was on its way when a channel broke is in the spool,
//       perhaps in addition to what the other end got.
//   I3. The exit frame follows all output and is the last frame.

import type { Writable } from 'node:stream'
import { WeaverError } from '../../core/index.ts'
import type { FrameChannel, Logger, Pid } from '../../core/index.ts'
import type { OutputFilter } from '../../agents/index.ts'
import { decodeIoFrame, encodeIoFrame, IO_CHUNK_BYTES } from '../api/io-frame.ts'
import { DetachedError } from './errors.ts'
import type { Output } from './output.ts'
import type { Spool } from './spool.ts'
import type { OutputStream } from './spool-format.ts'

/** The first byte of an output frame. */
const FRAME_TYPES: Readonly<Record<OutputStream, number>> = {
  stdout: frameType('stdout'),
  stderr: frameType('stderr')
}

export interface ProcessIoDeps {
  readonly log: Logger
  readonly spool: Pick<Spool, 'append'>
  /** Asked for by the other end of the channel. May throw when the name is not one of a signal. */
  readonly onSignal: (name: string) => void
}

export interface ProcessIoOptions {
  readonly pid: Pid
  readonly channel: FrameChannel | null
  readonly stdin: Writable | null
  readonly stdout: Output
  readonly stderr: Output
  readonly filter: (() => OutputFilter) | null
}

export class ProcessIo {
  /** Resolves, never rejects, when both outputs have ended and all of it was taken. */
  readonly drained: Promise<void>
  readonly #deps: ProcessIoDeps
  readonly #pid: Pid
  readonly #stdin: Writable | null
  readonly #outputs: readonly Output[]
  readonly #filter: (() => OutputFilter) | null
  #channel: FrameChannel | null
  #turn: Promise<void> = Promise.resolve()
  #delivering = 0
  #chunks = 0

  constructor(deps: ProcessIoDeps, options: ProcessIoOptions) {
    const { pid, channel, stdin, stdout, stderr, filter } = options
    this.#deps = deps
    this.#pid = pid
    this.#channel = channel
    this.#stdin = stdin
    this.#outputs = [stdout, stderr]
    this.#filter = filter
    stdin?.on('error', () => {}) // EPIPE: it reads no more. `#write` goes on as if it did.
    this.drained = Promise.all([this.#pump('stdout', stdout), this.#pump('stderr', stderr)]).then(
      () => undefined
    )
    if (channel !== null) void this.#feed(channel)
  }

  /** Changes with every chunk of output, and is -1 while one waits to be taken. */
  get progress(): number {
    return this.#delivering > 0 ? -1 : this.#chunks
  }

  /** Closes the input; from here on output goes to the spool. */
  detach(): void {
    this.#stdin?.end()
    const channel = this.#channel
    this.#channel = null
    channel?.abort(new DetachedError()) // A pending send fails, and its bytes go to the spool.
  }

  /** Gives up on output that does not end. */
  cutOff(): void {
    for (const output of this.#outputs) output.destroy()
  }

  /** To be called when drained, with how it ended. Never rejects. */
  async finish(exit: {
    readonly code: number | null
    readonly signal: string | null
  }): Promise<void> {
    this.#stdin?.destroy()
    const channel = this.#channel
    if (channel === null) return
    try {
      await channel.send(encodeIoFrame({ kind: 'exit', exit })) // I3
      channel.end()
    } catch {
      // The other end has gone. It learns of the exit from whoever else reports it.
    }
  }

  async #pump(stream: OutputStream, output: Output): Promise<void> {
    const filter = this.#filter?.() ?? null
    try {
      for await (const chunk of output.chunks) {
        if (filter === null) await this.#deliver(stream, typed(stream, chunk))
        else await this.#deliverText(stream, filter.push(chunk.subarray(1)))
      }
    } catch (error) {
      // Cut off, or the pipe failed: as good as its end.
      this.#deps.log.debug('An output ended early', {
        pid: this.#pid,
        stream,
        error: String(error)
      })
    }
    if (filter !== null) await this.#deliverText(stream, filter.end())
  }

  /** What a filter let pass. */
  async #deliverText(stream: OutputStream, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += IO_CHUNK_BYTES) {
      const part = bytes.subarray(at, at + IO_CHUNK_BYTES)
      await this.#deliver(stream, encodeIoFrame({ kind: stream, bytes: part }))
    }
  }

  /** One frame at a time, as a channel wants it. */
  async #deliver(stream: OutputStream, frame: Uint8Array): Promise<void> {
    this.#delivering += 1
    this.#turn = this.#turn.then(() => this.#give(stream, frame))
    await this.#turn
    this.#delivering -= 1
    this.#chunks += 1
  }

  async #give(stream: OutputStream, frame: Uint8Array): Promise<void> {
    const channel = this.#channel
    if (channel !== null) {
      try {
        await channel.send(frame)
        return
      } catch {
        this.detach() // The other end has gone; the child goes on (I2).
      }
    }
    await this.#deps.spool.append(this.#pid, stream, frame.subarray(1))
  }

  /** Takes the other end's frames until it ends or breaks. Never rejects. */
  async #feed(channel: FrameChannel): Promise<void> {
    try {
      for await (const bytes of channel.frames) await this.#take(bytes)
      this.#stdin?.end()
    } catch (error) {
      if (!(error instanceof WeaverError && error.code === 'PROCESS_DETACHED')) {
        this.#deps.log.debug('An attached process lost its other end', {
          pid: this.#pid,
          error: String(error)
        })
      }
      this.detach()
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const frame = decodeIoFrame(bytes)
    switch (frame.kind) {
      case 'stdin':
        await this.#write(frame.bytes)
        return
      case 'stdin-end':
        this.#stdin?.end()
        return
      case 'signal':
        this.#signal(frame.name)
        return
      default:
        // `resize` means nothing without a terminal; the others never come from that side.
        return
    }
  }

  #signal(name: string): void {
    try {
      this.#deps.onSignal(name)
    } catch (error) {
      this.#deps.log.warn('A signal was not sent', { pid: this.#pid, error: String(error) })
    }
  }

  /** Resolves when there is room for more. Input that nobody reads any more is dropped. */
  async #write(bytes: Uint8Array): Promise<void> {
    const stdin = this.#stdin
    if (stdin === null || stdin.destroyed || stdin.writableEnded) return
    if (stdin.write(bytes)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    stdin.once('drain', resolve)
    stdin.once('close', resolve)
    await promise
    stdin.off('drain', resolve)
    stdin.off('close', resolve)
  }
}

/** The frame of a chunk that has room for its type in front. */
function typed(stream: OutputStream, chunk: Uint8Array): Uint8Array {
  chunk[0] = FRAME_TYPES[stream]
  return chunk
}

function frameType(kind: OutputStream): number {
  return encodeIoFrame({ kind, bytes: new Uint8Array(0) })[0] ?? 0
}
