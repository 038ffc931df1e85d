// The caller's end of an attached task: pumps between this process's streams and the channel.
//
// Invariants
//   T1. Output is written at the pace of its reader, and before the exit code is told.
//   T2. stdin is read at the pace of the task; its end does not end the output.
//   T3. Signals reach the task; a second SIGINT within a second cancels it and leaves at once.

import { WeaverError } from '../core/index.ts'
import type { FrameChannel } from '../core/index.ts'
import type { ApiErrorBody, loadRunClient, Task } from '../node/api/index.ts'
import { sleep } from './clock.ts'
import type { Context } from './command.ts'
import { flushed, writeTo } from './output.ts'

type RunClient = Awaited<ReturnType<typeof loadRunClient>>

export interface Attached {
  readonly context: Context
  readonly runClient: RunClient
  readonly channel: FrameChannel
}

export type End =
  /** Its output could not be written: a full disk, most often. */
  | { readonly kind: 'unwritten'; readonly task: Task; readonly why: string }
  | { readonly kind: 'outcome'; readonly task: Task }
  | { readonly kind: 'failure'; readonly error: ApiErrorBody }
  | { readonly kind: 'left'; readonly signal: string }

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
const SECOND_INTERRUPT_MS = 1000

export async function attachTask(attached: Attached): Promise<End> {
  const { channel } = attached
  const left = Promise.withResolvers<End>()
  const state: TaskState = { taskId: null, stdin: null }
  const release = forwardSignals(attached, state, left.resolve)
  try {
    return await Promise.race([receive(attached, state), left.promise])
  } catch (error) {
    if (!(error instanceof WeaverError) || error.code !== 'API_CLIENT_LEFT') throw error
    return kernelGone(state)
  } finally {
    release()
    state.stdin?.stop()
    // All has been said. What stdin still had in flight nobody wants, and it must not keep us waiting.
    channel.abort(new WeaverError('CLI_TASK_ENDED', 'The task has ended'))
  }
}

interface TaskState {
  taskId: string | null
  /** Read only once the task is accepted: a refused one may be asked again, with the same input. */
  stdin: { readonly stop: () => void } | null
}

async function receive(attached: Attached, state: TaskState): Promise<End> {
  const { context, runClient, channel } = attached
  const output = outputs(channel, runClient)
  for await (const bytes of channel.frames) {
    const frame = runClient.decodeIoFrame(bytes)
    switch (frame.kind) {
      case 'stdout':
      case 'stderr':
        await output.write(frame.kind, frame.bytes) // T1
        break
      case 'note':
        context.output.note(`weaver: ${frame.text}`)
        break
      case 'accepted':
        state.taskId = frame.task.taskId
        state.stdin ??= forwardStdin(attached)
        break
      case 'outcome': {
        await flushed(process.stdout)
        const why = output.failure()
        return why === null ? frame : { kind: 'unwritten', task: frame.task, why }
      }
      case 'failure':
        return frame
      default: // `exit` says early what the outcome repeats once it is committed.
    }
  }
  return kernelGone(state)
}

function kernelGone({ taskId }: TaskState): End {
  const message =
    taskId === null
      ? 'The kernel ended before it took the task'
      : `The kernel ended before task ${taskId} did: on another machine the task goes on`
  const hint =
    taskId === null
      ? 'see: weaver kernel status'
      : `when this kernel runs again, see: weaver task show ${taskId}`
  return { kind: 'failure', error: { code: 'API_KERNEL_GONE', message, hint } }
}

interface Outputs {
  write(kind: 'stdout' | 'stderr', bytes: Uint8Array): Promise<void>
  /** Why some of it could not be written, as on a full disk; null while all is well. */
  failure(): string | null
}

/**
 * Our stdout and stderr. When one cannot be written the rest of it is dropped; when it is stdout, the task
 * gets what a command in a pipe would get, SIGPIPE. That a reader has gone is no failure.
 */
function outputs(channel: FrameChannel, runClient: RunClient): Outputs {
  const broken = new Set<NodeJS.WriteStream>()
  let failure: string | null = null
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error')
    stream.on('error', (reason: NodeJS.ErrnoException) => {
      broken.add(stream)
      if (reason.code !== 'EPIPE') failure ??= reason.message
      if (stream !== process.stdout) return
      const signal = runClient.encodeIoFrame({ kind: 'signal', name: 'SIGPIPE' })
      channel.send(signal).catch(() => undefined) // The task has ended by itself.
    })
  }
  return {
    write: async (kind, bytes) => {
      const stream = process[kind]
      if (!broken.has(stream)) await writeTo(stream, bytes)
    },
    failure: () => failure
  }
}

function forwardStdin({ runClient, channel }: Attached): { readonly stop: () => void } {
  const { encodeIoFrame, IO_CHUNK_BYTES } = runClient
  const { stdin } = process
  const pump = async (): Promise<void> => {
    for await (const chunk of stdin) {
      if (!Buffer.isBuffer(chunk)) continue
      for (let offset = 0; offset < chunk.length; offset += IO_CHUNK_BYTES) {
        const bytes = chunk.subarray(offset, offset + IO_CHUNK_BYTES)
        await channel.send(encodeIoFrame({ kind: 'stdin', bytes }))
      }
    }
    await channel.send(encodeIoFrame({ kind: 'stdin-end' })) // T2: the channel stays open for signals.
  }
  // It fails when the task ends before stdin does, or when stdin was closed from the start.
  void pump().catch(() => undefined)
  return { stop: () => void stdin.destroy() }
}

function forwardSignals(
  { context, runClient, channel }: Attached,
  state: TaskState,
  leave: (end: End) => void
): () => void {
  const settled = new AbortController()
  let isInterrupted = false
  const cancel = async (): Promise<void> => {
    if (state.taskId !== null) await context.client.cancelTask(state.taskId).catch(() => undefined)
    leave({ kind: 'left', signal: 'SIGINT' })
  }
  const forward = (name: string): void => {
    if (name === 'SIGINT' && isInterrupted) {
      void cancel() // T3
      return
    }
    if (name === 'SIGINT') {
      isInterrupted = true
      void sleep(SECOND_INTERRUPT_MS, settled.signal).then(() => {
        isInterrupted = false
        return null
      })
    }
    channel.send(runClient.encodeIoFrame({ kind: 'signal', name })).catch(() => undefined)
  }
  const resize = (): void => {
    const { columns, rows } = process.stdout
    if (!process.stdout.isTTY || columns < 1 || rows < 1) return
    channel.send(runClient.encodeIoFrame({ kind: 'resize', columns, rows })).catch(() => undefined)
  }
  for (const name of FORWARDED) process.on(name, forward)
  process.on('SIGWINCH', resize)
  return () => {
    settled.abort()
    for (const name of FORWARDED) process.off(name, forward)
    process.off('SIGWINCH', resize)
  }
}
