// `POST /api/v1/run` after its upgrade: one submission, then a task with the caller's stdin, stdout, stderr.
//
// Invariants
//   R1. The caller gets exactly one `accepted` or `failure` first, and exactly one `outcome` or `failure`
//       last, unless it left.
//   R2. The kernel gets only frames that a caller may send.
//   R3. Each hop waits for the next: nothing here holds more than one queue of unread frames.

import { FrameQueue, millis, WeaverError } from '../../core/index.ts'
import type { Clock, FrameChannel, Logger } from '../../core/index.ts'
import { decodeIoFrame, encodeIoFrame } from '../api/io-frame.ts'
import { taskSubmission } from '../api/schemas/work.ts'
import type { TaskSubmission } from '../api/types/work.ts'
import type { KernelService } from '../service.ts'
import { errorAnswer } from './answers.ts'
import { ApiRefusal, invalidRequest } from './errors.ts'
import { SUBMISSION_BYTES_MAX, SUBMISSION_TIMEOUT_MS } from './limits.ts'
import { parsed } from './route.ts'

export interface RunDeps {
  readonly service: Pick<KernelService, 'runTask'>
  readonly clock: Clock
  readonly log: Logger
}

const STDIN_QUEUED_BYTES_MAX = 64 * 1024

/** Settles when the caller has been told the end, or has left. Never rejects. */
export async function serveRun(caller: FrameChannel, deps: RunDeps): Promise<void> {
  const frames = caller.frames[Symbol.asyncIterator]()
  const input = new FrameQueue(STDIN_QUEUED_BYTES_MAX)
  try {
    const submission = await firstFrame(frames, deps.clock)
    void forward(frames, input, caller)
    await run(caller, { input, submission, service: deps.service })
  } catch (error) {
    if (!(error instanceof WeaverError)) {
      deps.log.error('an attached task failed by a defect', { reason: String(error) })
    }
    await tell(caller, error)
  }
  // What the caller still sends is read and dropped, or it would wait for us for ever.
  input.fail(new WeaverError('API_TASK_ENDED', 'The task has ended'))
  void forward(frames, input, caller)
}

interface Run {
  readonly input: FrameQueue
  readonly submission: TaskSubmission
  readonly service: Pick<KernelService, 'runTask'>
}

async function run(caller: FrameChannel, { input, submission, service }: Run): Promise<void> {
  const accepted = Promise.withResolvers<void>()
  const { channel, ended } = kernelSide(caller, input, accepted.promise)
  const { task, outcome } = await service.runTask(submission, channel)
  outcome.catch(() => undefined) // Heard below, unless the caller has left by then.
  try {
    await caller.send(encodeIoFrame({ kind: 'accepted', task }))
  } finally {
    accepted.resolve()
  }
  const [final] = await Promise.all([outcome, ended])
  await caller.send(encodeIoFrame({ kind: 'outcome', task: final }))
  caller.end()
}

async function tell(caller: FrameChannel, error: unknown): Promise<void> {
  try {
    await caller.send(encodeIoFrame({ kind: 'failure', error: errorAnswer(error).body.error }))
    caller.end()
  } catch {
    // The caller has left: nobody wants to know.
  }
}

async function firstFrame(
  frames: AsyncIterator<Uint8Array>,
  clock: Clock
): Promise<TaskSubmission> {
  const arrived = new AbortController()
  const late = clock.sleep(millis(SUBMISSION_TIMEOUT_MS), arrived.signal).then(
    () => null,
    () => null // It arrived first.
  )
  const first = await Promise.race([frames.next(), late])
  arrived.abort()
  if (first === null) {
    throw new ApiRefusal('API_TIMED_OUT', 'Gave up: no submission came after the upgrade')
  }
  if (first.done === true) throw invalidRequest('submission', 'is missing')
  if (first.value.length > SUBMISSION_BYTES_MAX) {
    throw invalidRequest('submission', `is too large: must be <= ${SUBMISSION_BYTES_MAX} bytes`)
  }
  const frame = decodeIoFrame(first.value)
  if (frame.kind !== 'submission') throw invalidRequest('submission', 'must be the first frame')
  return parsed('submission', taskSubmission, frame.submission)
}

/** What the kernel gets: the caller's channel, whose end is held back until the outcome is told. */
function kernelSide(
  caller: FrameChannel,
  input: FrameQueue,
  accepted: Promise<void>
): { readonly channel: FrameChannel; readonly ended: Promise<void> } {
  const ended = Promise.withResolvers<void>()
  void caller.closed.then(() => ended.resolve())
  return {
    ended: ended.promise,
    channel: {
      frames: input,
      closed: Promise.all([input.done, ended.promise]).then(([error]) => error),
      abort: (reason) => caller.abort(reason),
      end: () => ended.resolve(),
      send: async (frame) => {
        await accepted // R1
        await caller.send(frame)
      }
    }
  }
}

/** The caller's frames to the kernel. When the kernel stops reading, the rest is dropped here (R1). */
async function forward(
  frames: AsyncIterator<Uint8Array>,
  input: FrameQueue,
  caller: FrameChannel
): Promise<void> {
  let isWanted = true
  try {
    for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
      checkInput(next.value) // R2
      if (!isWanted) continue
      await input.push(next.value).catch(() => {
        isWanted = false
      })
    }
    input.finish()
  } catch (error) {
    const reason =
      error instanceof WeaverError
        ? error
        : new WeaverError('API_INVALID_FRAME', 'Cannot read I/O frame', { cause: error })
    input.fail(reason)
    caller.abort(reason)
  }
}

function checkInput(frame: Uint8Array): void {
  const type = frame[0]
  if (type === 0) return // stdin, the hot path: any bytes will do.
  const { kind } = decodeIoFrame(frame)
  if (kind !== 'stdin-end' && kind !== 'signal' && kind !== 'resize') {
    throw new WeaverError('API_INVALID_FRAME', `Cannot take a ${kind} frame from a caller`)
  }
}
