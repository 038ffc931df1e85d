// One process table for all nodes.
//
// Invariants
//   T1. A node writes its own rows alone; those of others are read from their documents.
//   T2. A live row of a node that is out of reach is shown as `lost`, since when it was last seen.
//   T3. Of ended rows the newest ENDED_ROWS_MAX stay; what became of the others is in the chain.

import type { NodeId } from '../core/index.ts'
import type { Json, ProcessRow } from './api/index.ts'
import { ENDED_ROWS_MAX } from './limits.ts'
import { hasEnded, parseRow, rowJson } from './process-row.ts'
import type { StoredRow } from './process-row.ts'

export const PROCESSES_SECTION = 'processes'

/** The replicated documents, as much as the table needs. */
export interface TableRows {
  put(section: string, key: string, value: Json): void
  delete(section: string, key: string): void
  of(node: NodeId): Readonly<Record<string, Readonly<Record<string, unknown>>>>
  nodes(): readonly NodeId[]
}

export interface Sample {
  readonly cpuPercent: number
  readonly memoryBytes: number
}

/** What the table must know of the nodes whose rows it shows. */
export interface TableNodes {
  nameOf(node: NodeId): string
  /** Null while the node is in reach, this node included; else when it was last seen. */
  lostSince(node: NodeId): number | null
  sample(node: NodeId, pid: number): Sample | null
}

export interface ProcessTableDeps {
  readonly self: NodeId
  readonly rows: TableRows
  readonly nodes: TableNodes
}

export class ProcessTable {
  readonly #deps: ProcessTableDeps
  readonly #own = new Map<number, StoredRow>()

  constructor(deps: ProcessTableDeps) {
    this.#deps = deps
  }

  /** Writes or replaces one of this node's own rows. */
  set(row: StoredRow): void {
    this.#own.delete(row.pid) // So that the map stays in order of the last change (T3).
    this.#own.set(row.pid, row)
    this.#deps.rows.put(PROCESSES_SECTION, String(row.pid), rowJson(row))
    this.#prune()
  }

  /** One of this node's own rows. */
  own(pid: number): StoredRow | null {
    return this.#own.get(pid) ?? null
  }

  livePids(): readonly number[] {
    return [...this.#own.values()].filter((row) => !hasEnded(row)).map((row) => row.pid)
  }

  of(node: NodeId): readonly ProcessRow[] {
    const stored = Object.values(this.#deps.rows.of(node)[PROCESSES_SECTION] ?? {})
    return stored
      .map(parseRow)
      .filter((row) => row !== null)
      .map((row) => this.#view(node, row))
      .toSorted((a, b) => a.pid - b.pid)
  }

  all(): readonly ProcessRow[] {
    return this.#deps.rows
      .nodes()
      .flatMap((node) => this.of(node))
      .toSorted((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : a.pid - b.pid))
  }

  /** The row with what an agent's spec adds, for `agent list`. */
  stored(node: NodeId, pid: number): StoredRow | null {
    return parseRow(this.#deps.rows.of(node)[PROCESSES_SECTION]?.[String(pid)])
  }

  #view(node: NodeId, row: StoredRow): ProcessRow {
    const { agent: _, ...shown } = row
    const name = this.#deps.nodes.nameOf(node)
    const lostSince = hasEnded(row) ? null : this.#deps.nodes.lostSince(node) // T2
    const sample =
      hasEnded(row) || lostSince !== null ? null : this.#deps.nodes.sample(node, row.pid)
    return {
      ...shown,
      node: name,
      gpid: `${row.pid}@${name}`,
      state: lostSince === null ? row.state : 'lost',
      lostSince,
      cpuPercent: sample?.cpuPercent ?? null,
      memoryBytes: sample?.memoryBytes ?? null
    }
  }

  #prune(): void {
    const ended = [...this.#own.values()].filter(hasEnded)
    for (const row of ended.slice(0, Math.max(0, ended.length - ENDED_ROWS_MAX))) {
      this.#own.delete(row.pid)
      this.#deps.rows.delete(PROCESSES_SECTION, String(row.pid))
    }
  }
}
