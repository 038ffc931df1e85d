// A worker never outlives its kernel. A guest that spins keeps the main thread from noticing anything,
// so a second thread holds the lifeline: it blocks on a pipe that only the kernel has the other end of,
// and kills the whole process when that end is gone, however the kernel died.

import { once } from 'node:events'
// Not the global one, which a worker gives up.
import process from 'node:process'
import { Worker } from 'node:worker_threads'

/** The third descriptor after stdin, stdout and stderr. */
const LIFELINE = 3

const HOLD = `
const { readSync } = require('node:fs')
const { kill, pid } = process
const held = new Int32Array(new SharedArrayBuffer(4))
for (;;) {
  try {
    readSync(${LIFELINE}, Buffer.alloc(1))
    break
  } catch (error) {
    if (error.code !== 'EAGAIN') break
    Atomics.wait(held, 0, 0, 200)
  }
}
kill.call(process, pid, 'SIGKILL')
`

/** Resolves once the thread holds the lifeline. */
export async function holdLifeline(): Promise<void> {
  const thread = new Worker(HOLD, {
    eval: true,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }
  })
  await once(thread, 'online')
  thread.unref()
  // An orderly exit would wait for the thread, which waits for the kernel. So none is orderly.
  process.once('exit', () => process.kill(process.pid, 'SIGKILL'))
}
