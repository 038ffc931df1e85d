// A thread of `weaver verify`: takes blocks, answers with what it found in them.

import { parentPort } from 'node:worker_threads'
import { checkBlocks, nodePrimitives } from '../../chain/offline/index.ts'
import type { BlockBatch } from '../../chain/offline/index.ts'
import type { ThreadAnswer } from './verify-threads.ts'

parentPort?.on('message', ({ id, batch }: { readonly id: number; readonly batch: BlockBatch }) => {
  const answer: ThreadAnswer = { id, facts: checkBlocks(nodePrimitives, batch) }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread's port, no window.
  parentPort?.postMessage(answer)
})
