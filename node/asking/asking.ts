// How processes ask their kernel, put together.

import type { Agents, ProcessHost } from '../../agents/index.ts'
import type { Clock, KeyValueStore, Logger, NodeId } from '../../core/index.ts'
import type { Capabilities, Gate } from '../../governance/index.ts'
import type { Offer, Origin } from '../../scheduler/index.ts'
import { Authority } from './authority.ts'
import { Children } from './children.ts'
import { askingGate } from './gate.ts'
import { withAsking } from './host.ts'
import type { ProcessService, ProcessSockets } from './ports.ts'
import { RightsBook } from './rights.ts'
import type { KnownAgent, Rights } from './rights.ts'

/** The rooms that a wish of a process may reach. */
export interface AskedRooms {
  readonly agents: Pick<Agents, 'list' | 'disown'>
  readonly origin: Pick<Origin, 'list' | 'cancel' | 'events'>
  readonly mesh: { members(): readonly { readonly nodeId: NodeId; readonly name: string }[] }
  readonly capabilities: Capabilities
}

export interface AskingDeps {
  readonly clock: Clock
  readonly store: KeyValueStore
  readonly log: Logger
  /** Absent: no process has a way to ask, and grants that need one are refused. */
  readonly sockets?: ProcessSockets
  /** Called when all rooms are there. */
  readonly rooms: () => AskedRooms
  readonly serviceOf: (rights: Rights) => ProcessService
}

export interface Asking {
  readonly book: RightsBook
  readonly children: Children
  readonly authority: Authority
  gate(gate: Gate): Gate
  host(processes: ProcessHost): ProcessHost
  /** Why this offer to this node itself, of what a process submitted, holds no more; null: it does. */
  objection(offer: Offer): Promise<string | null>
}

export function createAsking(deps: AskingDeps, { self }: { readonly self: NodeId }): Asking {
  const { clock, store, rooms, sockets, serviceOf } = deps
  const log = deps.log.child({ room: 'asking' })
  const book = new RightsBook({ self })
  const children = new Children({ book, store, log, rooms })
  const authority = new Authority(
    { book, clock, capabilities: () => rooms().capabilities },
    { self }
  )
  const nameOf = (node: string): string => {
    const { mesh } = rooms()
    return mesh.members().find(({ nodeId }) => nodeId === node)?.name ?? node
  }
  const agentOf = (pid: number): KnownAgent | null =>
    rooms()
      .agents.list()
      .find((each) => each.pid === pid) ?? null
  return {
    book,
    children,
    authority,
    gate: (gate) => askingGate({ gate, book, authority, children, nameOf }, { self }),
    host: (processes) => {
      if (sockets === undefined) return processes
      return withAsking({ book, children, sockets, log, agentOf, serviceOf }, processes)
    },
    objection: async ({ taskId, spec }) => {
      const pid = book.submitterOf(taskId)
      if (pid === null) return null
      const rights = book.of(pid)
      if (rights === null) return 'the process that asked for it has ended'
      return await authority.objection(rights, spec.sandbox.grants)
    }
  }
}
