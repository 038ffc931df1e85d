// The live processes of this kernel, on disk for its successor: `+pid osPid start` and `-pid` lines.
// Not synced: it has to survive the death of the kernel, not that of the machine, where the processes
// die too. The first line names the boot of the machine, without which a `start` means nothing.
//
// Invariants
//   J1. A process is in the journal from the tick of its start to the end of its group.

import { closeSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import type { Logger, Pid } from '../../core/index.ts'
import { JOURNAL_BYTES_MAX } from './limits.ts'
import type { Leader } from './os-processes.ts'

export class ProcessJournal {
  readonly #deps: { readonly log: Logger }
  readonly #path: string
  readonly #boot: string
  readonly #live = new Map<Pid, Leader>()
  #descriptor: number | null = null
  #bytes = 0

  constructor(
    deps: { readonly log: Logger },
    options: { readonly path: string; readonly boot: string }
  ) {
    this.#deps = deps
    this.#path = options.path
    this.#boot = options.boot
  }

  /** Begins an empty journal in place of the last one. */
  open(): void {
    this.#rewrite()
  }

  add(pid: Pid, leader: Leader): void {
    this.#live.set(pid, leader)
    this.#append(line(pid, leader))
  }

  delete(pid: Pid): void {
    if (this.#live.delete(pid)) this.#append(`-${pid}\n`)
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }

  #append(text: string): void {
    if (this.#descriptor === null) return
    try {
      this.#bytes += writeSync(this.#descriptor, text)
      if (this.#bytes > JOURNAL_BYTES_MAX) this.#rewrite()
    } catch (error) {
      // The leash in its environment still leads to the process.
      this.#deps.log.warn('Cannot write the journal of processes', { error: String(error) })
    }
  }

  #rewrite(): void {
    const text = `${this.#boot}\n${[...this.#live].map(([pid, leader]) => line(pid, leader)).join('')}`
    const fresh = openSync(`${this.#path}.new`, 'w', 0o600)
    this.#bytes = writeSync(fresh, text) - text.length
    renameSync(`${this.#path}.new`, this.#path)
    this.close()
    this.#descriptor = fresh
  }
}

function line(pid: Pid, leader: Leader): string {
  return `+${pid} ${leader.osPid} ${leader.start}\n`
}

/** What the journal at `path` says still lived, if it is of this boot of the machine. */
export function readJournal(path: string, boot: string): ReadonlyMap<number, Leader> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return new Map() // No journal: nothing was ever started here.
  }
  return parseJournal(text, boot)
}

/** Lines that say nothing (a torn last one) are passed over. */
export function parseJournal(text: string, boot: string): ReadonlyMap<number, Leader> {
  const [first, ...lines] = text.split('\n')
  const live = new Map<number, Leader>()
  if (first !== boot) return live
  lines.pop() // What follows the last line break: nothing, or a torn line.
  for (const entry of lines) {
    const added = /^\+(\d+) (\d+) (.+)$/.exec(entry)
    const removed = /^-(\d+)$/.exec(entry)
    if (added?.[3] !== undefined) {
      live.set(Number(added[1]), { osPid: Number(added[2]), start: added[3] })
    } else if (removed !== null) {
      live.delete(Number(removed[1]))
    }
  }
  return live
}
