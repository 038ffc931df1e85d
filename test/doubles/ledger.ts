import type { EntryDraft, Ledger } from '../../scheduler/index.ts'

export type LedgerFault = 'not-done' | 'done-but-failed'

/** A lane in memory. Outlives the drivers that write to it, as a lane outlives a kernel. */
export class MemoryLedger implements Ledger {
  readonly entries: EntryDraft[] = []
  /** What goes wrong with the next records, oldest first; null lets one pass. */
  readonly faults: (LedgerFault | null)[] = []
  /** While set, records wait for it before they are durable. */
  gate: Promise<void> | null = null
  /** False: `find` rejects. */
  isReadable = true
  blocks = 0

  async record(drafts: readonly EntryDraft[]): Promise<readonly { readonly id: string }[]> {
    const fault = this.faults.shift() ?? null
    await this.gate
    if (fault === 'not-done') throw new Error('the disk said no')
    this.blocks += 1
    const first = this.entries.length
    this.entries.push(...drafts)
    if (fault === 'done-but-failed') throw new Error('the disk said no, too late')
    return drafts.map((_, index) => ({ id: `${first + index}` }))
  }

  async find(
    kind: string,
    subjects: readonly string[]
  ): Promise<ReadonlyMap<string, { readonly ref: { readonly id: string }; payload: unknown }>> {
    if (!this.isReadable) throw new Error('the disk cannot be read')
    const found = new Map<string, { readonly ref: { readonly id: string }; payload: unknown }>()
    this.entries.forEach((entry, index) => {
      if (entry.kind !== kind || !subjects.includes(entry.subject)) return
      found.set(entry.subject, { ref: { id: `${index}` }, payload: entry.payload })
    })
    return found
  }

  of(kind: string): readonly EntryDraft[] {
    return this.entries.filter((entry) => entry.kind === kind)
  }

  get kinds(): readonly string[] {
    return this.entries.map((entry) => entry.kind)
  }
}
