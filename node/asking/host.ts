// Gives a process its way to ask, from before its start to its end.
//
// Invariants
//   D1. A socket exists only for a process that was granted something that needs one, and only while it lives.
//   D2. Its principal is the process that it was made for, whatever is said through it.

import type { ProcessHost, RunningProcess, SpawnRequest } from '../../agents/index.ts'
import { formatGrant } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import { GrantRefusedError } from '../containment/index.ts'
import type { ProcessService, ProcessSockets } from './ports.ts'
import type { Children } from './children.ts'
import { mayAsk } from './rights.ts'
import type { KnownAgent, Rights, RightsBook } from './rights.ts'

export interface AskingHostDeps {
  readonly book: RightsBook
  readonly children: Pick<Children, 'end'>
  readonly sockets: ProcessSockets
  readonly log: Logger
  readonly agentOf: (pid: number) => KnownAgent | null
  readonly serviceOf: (rights: Rights) => ProcessService
}

/** The same host, whose processes may ask their kernel for what they were granted. */
export function withAsking(deps: AskingHostDeps, processes: ProcessHost): ProcessHost {
  return {
    ...(processes.holdOutput === undefined
      ? {}
      : { holdOutput: (pid) => processes.holdOutput?.(pid) ?? ((): void => undefined) }),
    spawn: async (request: SpawnRequest): Promise<RunningProcess> => {
      const message = request.sandbox.grants.find(({ kind }) => kind === 'ipc')
      if (message !== undefined) throw new GrantRefusedError(formatGrant(message), NO_MESSAGES)
      if (!mayAsk(request.sandbox.grants)) return await processes.spawn(request) // D1
      const { book, children, sockets, log } = deps
      const rights = book.begin(request, deps.agentOf(request.pid))
      const end = async (close: () => Promise<void>): Promise<void> => {
        book.end(rights) // Before anything is awaited: what is under way is refused from here on.
        await Promise.all([close(), children.end(rights)])
      }
      const socket = await sockets.open(deps.serviceOf(rights)).catch((error: unknown) => {
        book.end(rights)
        throw error
      })
      try {
        const process = await processes.spawn({ ...request, kernelSocket: socket.path })
        void process.exited.then(() => own(end(socket.close), log, request.pid))
        return process
      } catch (error) {
        await end(socket.close)
        throw error
      }
    }
  }
}

const NO_MESSAGES = 'there are no messages between processes yet'

function own(work: Promise<void>, log: Logger, pid: number): void {
  work.catch((error: unknown) => {
    log.error('Cannot close the socket of a process', { pid, why: String(error) })
  })
}
