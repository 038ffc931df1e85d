// A thread that checks chain records: takes batches, answers with verdicts.

import { parentPort } from 'node:worker_threads'
import { checkBatch } from '../chain/check-batch.ts'
import type { CheckBatch } from '../chain/index.ts'
import type { CheckAnswer } from './chain-checker.ts'

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread's port, no window.
parentPort?.postMessage({ isReady: true } satisfies CheckAnswer)

parentPort?.on('message', ({ id, batch }: { readonly id: number; readonly batch: CheckBatch }) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread's port, no window.
  parentPort?.postMessage(answerTo(id, batch))
})

function answerTo(id: number, batch: CheckBatch): CheckAnswer {
  try {
    return { id, verdicts: checkBatch(batch) }
  } catch (error) {
    return { id, failure: error instanceof Error ? error.message : String(error) }
  }
}
