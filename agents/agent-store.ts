// Kept agents in the home's store, each under its pid.

import { WeaverError } from '../core/index.ts'
import type { KeyValueStore, Logger } from '../core/index.ts'
import type { AgentRecord, AgentStore } from './ports.ts'
import { decodeAgent, encodeAgent } from './record.ts'

const PREFIX = 'agent/'

export interface AgentStoreDeps {
  readonly store: KeyValueStore
  readonly log: Logger
}

export function agentStore({ store, log }: AgentStoreDeps): AgentStore {
  return {
    put: (record) => store.write([{ key: PREFIX + record.pid, value: encodeAgent(record) }]),
    delete: (pid) => store.write([{ key: PREFIX + pid, value: null }]),
    all: async () => {
      const records: AgentRecord[] = []
      for (const [key, bytes] of await store.list(PREFIX)) {
        try {
          records.push(decodeAgent(bytes))
        } catch (error) {
          // Left in place for a person to look at: nobody knows what it was to run.
          const why = error instanceof WeaverError ? error.code : 'AGENTS_INVALID_RECORD'
          log.error('Cannot read a kept agent', { key, why })
        }
      }
      return records.toSorted((a, b) => a.pid - b.pid)
    }
  }
}
