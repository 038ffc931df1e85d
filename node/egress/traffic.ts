// What one process did on the network, for the record. Pure.
//
// Invariants
//   T1. Every connection that was allowed, refused or failed is in an entry: by itself, or in a count.
//   T2. Entries are bounded, whatever the process does: those written at once by the destinations told apart, the
//       others by the pace at which `changed` is called.

import type { Cbor } from '../../core/index.ts'
import type { Moved } from './frames.ts'
import { ENDED_RECORDED_MAX, HOSTS_RECORDED_MAX, REFUSALS_RECORDED_MAX } from './limits.ts'

interface Row {
  readonly host: string
  readonly port: number
  readonly address: string
  connections: number
  failed: number
  sentBytes: number
  receivedBytes: number
  isChanged: boolean
}

interface RefusedRow {
  readonly host: string
  readonly port: number
  readonly why: string
  count: number
  isChanged: boolean
}

interface Ended extends Moved {
  readonly host: string
  readonly port: number
  readonly address: string
  readonly durationMs: number
}

export interface Entry {
  readonly kind: 'net.connected' | 'net.refused' | 'net.moved'
  readonly subject: string
  readonly payload: Cbor
}

/** What is not told apart any more. */
const OTHERS = { host: 'others', port: 0 }

export class Traffic {
  readonly #rows = new Map<string, Row>()
  readonly #refused = new Map<string, RefusedRow>()
  #ended: Ended[] = []
  #endedMore = 0

  /** The row of a connection, and the entry for a destination that is new to this process. */
  opened(
    host: string,
    port: number,
    address: string
  ): { readonly row: Row; readonly entry: Entry | null } {
    const own = `${host} ${port} ${address}`
    const isFull = !this.#rows.has(own) && this.#rows.size >= HOSTS_RECORDED_MAX
    const names = isFull ? { ...OTHERS, address: '' } : { host, port, address }
    const key = isFull ? OTHERS.host : own
    const found = this.#rows.get(key)
    const counts = { connections: 0, failed: 0, sentBytes: 0, receivedBytes: 0 }
    const row = found ?? { ...names, ...counts, isChanged: false }
    row.connections += 1
    row.isChanged = true
    if (found !== undefined) return { row, entry: null }
    this.#rows.set(key, row)
    return {
      row,
      entry: { kind: 'net.connected', subject: subjectOf(row), payload: { ...names } }
    }
  }

  /** No host answered there. */
  failed(row: Row): void {
    row.failed += 1
    row.isChanged = true
  }

  moved(row: Row, more: Moved): void {
    if (more.sentBytes === 0 && more.receivedBytes === 0) return
    row.sentBytes += more.sentBytes
    row.receivedBytes += more.receivedBytes
    row.isChanged = true
  }

  /** With the whole of what it moved, which its row has already. */
  ended(
    { host, port, address }: Row,
    durationMs: number,
    { sentBytes, receivedBytes }: Moved
  ): void {
    if (this.#ended.length >= ENDED_RECORDED_MAX) this.#endedMore += 1
    else this.#ended.push({ host, port, address, durationMs, sentBytes, receivedBytes })
  }

  /** The entry for a refusal that is new; each further one is counted. */
  refused(host: string, port: number, why: string): Entry | null {
    const own = `${host} ${port} ${why}`
    const isFull = !this.#refused.has(own) && this.#refused.size >= REFUSALS_RECORDED_MAX
    const names = isFull ? { ...OTHERS, why: 'for several reasons' } : { host, port, why }
    const key = isFull ? OTHERS.host : own
    const found = this.#refused.get(key)
    const row = found ?? { ...names, count: 0, isChanged: false }
    row.count += 1
    row.isChanged = true
    if (found !== undefined) return null
    this.#refused.set(key, row)
    return { kind: 'net.refused', subject: subjectOf(row), payload: { ...names } }
  }

  /** One entry about all that has changed since the last one; null for nothing (T2). */
  changed(subject: string): Entry | null {
    const rows = [...this.#rows.values()].filter(({ isChanged }) => isChanged)
    const refused = [...this.#refused.values()].filter(({ isChanged }) => isChanged)
    if (rows.length === 0 && refused.length === 0 && this.#ended.length === 0) return null
    for (const row of [...rows, ...refused]) row.isChanged = false
    const payload = {
      destinations: rows.map(({ host, port, address, ...row }) => ({
        host,
        port,
        address,
        connections: row.connections,
        failed: row.failed,
        sentBytes: row.sentBytes,
        receivedBytes: row.receivedBytes
      })),
      refused: refused.map(({ host, port, why, count }) => ({ host, port, why, count })),
      ended: this.#ended.map((one) => ({ ...one })),
      endedMore: this.#endedMore
    }
    this.#ended = []
    this.#endedMore = 0
    return { kind: 'net.moved', subject, payload }
  }
}

export type TrafficRow = Row

function subjectOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `host:${host}:${port}`.slice(0, 160)
}
