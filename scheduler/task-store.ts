// Records of one kind in the home's store, each under its task's id.

import { WeaverError } from '../core/index.ts'
import type { KeyValueStore, Logger, TaskId } from '../core/index.ts'
import { decodeExecution, encodeExecution } from './execution-record.ts'
import type { ExecutionRecord } from './execution-record.ts'
import type { TaskStore } from './ports.ts'
import { decodeTask, encodeTask } from './task-record.ts'
import type { Task } from './task.ts'

export interface TaskStoreDeps {
  readonly store: KeyValueStore
  readonly log: Logger
}

/** What this node is the origin of, under `task/`. */
export function originStore(deps: TaskStoreDeps): TaskStore<Task> {
  return storedTasks(deps, { prefix: 'task/', encode: encodeTask, decode: decodeTask })
}

/** What this node executes, under `execution/`. */
export function executionStore(deps: TaskStoreDeps): TaskStore<ExecutionRecord> {
  const codec = { encode: encodeExecution, decode: decodeExecution }
  return storedTasks(deps, { prefix: 'execution/', ...codec })
}

interface Codec<Stored> {
  readonly prefix: string
  readonly encode: (record: Stored) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Stored
}

function storedTasks<Stored extends { readonly taskId: TaskId }>(
  { store, log }: TaskStoreDeps,
  { prefix, encode, decode }: Codec<Stored>
): TaskStore<Stored> {
  return {
    put: (record) => store.write([{ key: prefix + record.taskId, value: encode(record) }]),
    delete: (taskId) => store.write([{ key: prefix + taskId, value: null }]),
    all: async () => {
      const records: Stored[] = []
      for (const [key, bytes] of await store.list(prefix)) {
        try {
          records.push(decode(bytes))
        } catch (error) {
          // Left in place for a person to look at; the task it was is not this kernel's any more.
          const why = error instanceof WeaverError ? error.code : 'SCHEDULER_INVALID_RECORD'
          log.error('Cannot read stored task', { key, why })
        }
      }
      return records
    }
  }
}
