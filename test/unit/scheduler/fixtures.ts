// What the tests of this room share.

import { DEFAULT_SANDBOX, taskId, unixMillis } from '../../../core/index.ts'
import type { Entropy, TaskId } from '../../../core/index.ts'
import type { IoFrames, TaskSpec } from '../../../scheduler/index.ts'
import type { TaskResult } from '../../../scheduler/result.ts'

export const aTask: TaskId = taskId('0123456789abcdef')

export function testSpec(more: Partial<TaskSpec> = {}): TaskSpec {
  return {
    command: ['true'],
    env: {},
    cwd: null,
    gpu: null,
    labels: {},
    node: null,
    timeoutMs: null,
    isAttached: false,
    sandbox: DEFAULT_SANDBOX,
    ...more
  }
}

export function testResult(more: Partial<TaskResult> = {}): TaskResult {
  return {
    outcome: 'exited',
    exit: { code: 0, signal: null },
    reason: null,
    startedAt: unixMillis(10),
    endedAt: unixMillis(20),
    ...more
  }
}

/** Lets everything happen that needs no time: all doubles settle within microtasks. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve()
}

/** Different bytes each time. */
export function countingEntropy(): Entropy {
  let count = 0
  return {
    bytes: (size) => {
      count += 1
      return Uint8Array.from({ length: size }, (_, index) => (count >> ((index % 4) * 5)) % 256)
    }
  }
}

/** Frames of one type byte and text: 2 a signal, 19 a note. */
export const textFrames: IoFrames = {
  note: (text) => Uint8Array.of(19, ...new TextEncoder().encode(text)),
  signalOf: (bytes) => (bytes[0] === 2 ? frameText(bytes) : null)
}

export function frame(type: number, text: string): Uint8Array {
  return Uint8Array.of(type, ...new TextEncoder().encode(text))
}

export function frameText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(1))
}
