// What one process did on the network, for the record: grouped by destination, so that a thousand
// connections are a few entries. Pure.

import type { Cbor } from '../../core/index.ts'
import { HOSTS_RECORDED_MAX, REFUSALS_RECORDED_MAX } from './limits.ts'

interface Row {
  readonly host: string
  readonly port: number
  readonly address: string
  connections: number
  sentBytes: number
  receivedBytes: number
  isChanged: boolean
}

export interface Entry {
  readonly kind: 'net.connected' | 'net.refused'
  readonly subject: string
  readonly payload: Cbor
}

export class Traffic {
  readonly #rows = new Map<string, Row>()
  readonly #refused = new Set<string>()

  /** The row of a connection, and the entry for a destination that is new to this process. */
  opened(
    host: string,
    port: number,
    address: string
  ): { readonly row: Row; readonly entry: Entry | null } {
    const isFull = this.#rows.size >= HOSTS_RECORDED_MAX
    const key = `${host} ${port} ${address}`
    const found = this.#rows.get(key)
    if (found !== undefined) {
      found.connections += 1
      found.isChanged = true
      return { row: found, entry: null }
    }
    const names = isFull ? { host: 'others', port: 0, address: '' } : { host, port, address }
    const row = { ...names, connections: 1, sentBytes: 0, receivedBytes: 0, isChanged: false }
    if (!isFull) this.#rows.set(key, row)
    return { row, entry: entryOf(row) }
  }

  /** Once for each destination and reason. */
  refused(host: string, port: number, why: string): Entry | null {
    const key = `${host} ${port} ${why}`
    if (this.#refused.has(key) || this.#refused.size >= REFUSALS_RECORDED_MAX) return null
    this.#refused.add(key)
    return {
      kind: 'net.refused',
      subject: `host:${host}:${port}`.slice(0, 160),
      payload: { host, port, why }
    }
  }

  /** Totals of what has changed since they were last told. */
  changed(): readonly Entry[] {
    const rows = [...this.#rows.values()].filter((row) => row.isChanged)
    for (const row of rows) row.isChanged = false
    return rows.map((row) => entryOf(row))
  }
}

export type TrafficRow = Row

function entryOf(row: Row): Entry {
  const { host, port, address, connections, sentBytes, receivedBytes } = row
  return {
    kind: 'net.connected',
    subject: `host:${host}:${port}`.slice(0, 160),
    payload: { host, port, address, connections, sentBytes, receivedBytes }
  }
}
