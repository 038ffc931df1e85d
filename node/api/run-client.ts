// Loaded only by `run`: an attached task as the caller sees it.

import type { FrameChannel } from '../../core/index.ts'
import { errorOf } from './client.ts'
import { upgrade } from './http-client.ts'
import { encodeIoFrame } from './io-frame.ts'
import { CLIENT_SLACK_MS, REQUEST_DEADLINE_MS } from './limits.ts'
import { socketChannel } from './socket-channel.ts'
import type { TaskSubmission } from './types/work.ts'

export { decodeIoFrame, encodeIoFrame, IO_CHUNK_BYTES } from './io-frame.ts'
export type { IoFrame } from './io-frame.ts'

/**
 * Submits a task whose I/O is this channel. The first frame that comes back is `accepted` or `failure`, the
 * last one `outcome` or `failure`; in between come `stdout`, `stderr` and `note`.
 */
export async function runTask(
  socketPath: string,
  submission: TaskSubmission
): Promise<FrameChannel> {
  const answer = await upgrade(socketPath, {
    method: 'POST',
    path: '/api/v1/run',
    headers: { connection: 'upgrade', upgrade: 'weft-io' },
    body: null,
    idleMs: REQUEST_DEADLINE_MS + CLIENT_SLACK_MS,
    signal: null
  })
  if (answer.kind === 'refused') {
    const chunks: Buffer[] = []
    for await (const chunk of answer.body) chunks.push(chunk)
    throw errorOf(answer.status, Buffer.concat(chunks).toString('utf8'))
  }
  const channel = socketChannel(answer.socket, answer.rest)
  await channel.send(encodeIoFrame({ kind: 'submission', submission }))
  return channel
}
