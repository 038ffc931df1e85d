// A thread that checks chain records: takes batches, answers with verdicts.

import { parentPort } from 'node:worker_threads'
import { checkBatch, checkRun } from '../chain/check-batch.ts'
import type { CheckAnswer, CheckQuestion } from './chain-checker.ts'

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread's port, no window.
parentPort?.postMessage({ isReady: true } satisfies CheckAnswer)

parentPort?.on('message', (question: CheckQuestion) => {
  const answer = answerTo(question)
  // The bytes go back to where they came from: they are written there.
  const bytes = 'result' in answer && answer.result.kind === 'run' ? answer.result.run.bytes : null
  const moved = bytes?.buffer instanceof ArrayBuffer ? [bytes.buffer] : []
  parentPort?.postMessage(answer, moved)
})

function answerTo({ id, kind, batch }: CheckQuestion): CheckAnswer {
  try {
    if (kind === 'run') return { id, result: { kind, run: checkRun(batch) } }
    return { id, result: { kind, verdicts: checkBatch(batch) } }
  } catch (error) {
    return { id, failure: error instanceof Error ? error.message : String(error) }
  }
}
