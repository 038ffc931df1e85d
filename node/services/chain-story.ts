// The story of one agent or process: the entries about it, and about the tasks and processes that belong
// to it, on whichever node they were written. Entries name each other by subject (`process:<gpid>`,
// `task:<TaskId>`); a few payloads tie two subjects together.

import type { NodeId } from '../../core/index.ts'
import type { Chain, LogEntry, LogQuery } from '../../chain/index.ts'

/** Kinds whose payloads tie a process to a task or an agent's name to a process. */
const TYING_KINDS = ['process.started', 'process.exited', 'task.started'] as const
/** Kinds by which a process starts something of its own: that belongs to its story, and not the other way round. */
const STARTING_KINDS = ['task.submitted', 'process.started'] as const
/** From a process to its task, to the task's other attempts, to their processes: more is another story. */
const PASSES_MAX = 4
/** A story of more subjects than that is of no use to anybody, and must fit in memory. */
const SUBJECTS_MAX = 100_000

export class Story {
  readonly #subjects: Set<string>
  readonly #name: string | null
  readonly #nodeName: (lane: NodeId) => string

  /**
   * `name`: that of an agent or program, whose processes belong to it wherever they are mentioned. An entry names a
   * process that acts by its pid alone: `nodeName` says of which node.
   */
  constructor(
    subjects: readonly string[],
    name: string | null,
    nodeName: (lane: NodeId) => string
  ) {
    this.#subjects = new Set(subjects)
    this.#name = name
    this.#nodeName = nodeName
    if (name !== null) this.#subjects.add(`agent:${name}`)
  }

  /** Reads what ties subjects together, until nothing is added. An entry may tie to an earlier one. */
  async learn(chain: Chain, query: Pick<LogQuery, 'signal'>): Promise<void> {
    for (let pass = 0; pass < PASSES_MAX; pass += 1) {
      const before = this.#subjects.size
      for (const kind of new Set([...TYING_KINDS, ...STARTING_KINDS])) {
        for await (const entry of chain.log({ ...query, kind })) this.takes(entry)
      }
      if (this.#subjects.size === before) return
    }
  }

  /** Whether the entry belongs to the story; learns from it if it does. */
  takes(entry: LogEntry): boolean {
    const tied = tiedTo(entry)
    const isStarted = this.#subjects.has(this.#starterOf(entry))
    const isOurs =
      isStarted ||
      this.#subjects.has(entry.subject) ||
      this.#subjects.has(this.#processIn(entry.actor, entry)) ||
      (this.#name !== null && tied.name === this.#name)
    // A decision about `agent:NAME` ties nothing; a process does both ways.
    if (isOurs && this.#subjects.size < SUBJECTS_MAX) {
      for (const subject of tied.subjects) this.#subjects.add(subject)
      if (isStarted) this.#subjects.add(entry.subject)
    }
    return isOurs
  }

  /** The process that has started what the entry is about, as others name it; empty: none has. */
  #starterOf(entry: LogEntry): string {
    if (!STARTING_KINDS.some((kind) => kind === entry.kind)) return ''
    if (entry.kind === 'task.submitted') return this.#processIn(entry.actor, entry)
    const { payload } = entry
    const by = typeof payload === 'object' && payload !== null && 'by' in payload ? payload.by : ''
    return typeof by === 'string' ? this.#processIn(by, entry) : ''
  }

  #processIn(text: string, { lane }: LogEntry): string {
    const pid = /^process:(\d+)(?:@|$)/.exec(text)?.[1]
    return pid === undefined ? text : `process:${pid}@${this.#nodeName(lane)}`
  }

  get isEmpty(): boolean {
    return this.#subjects.size <= (this.#name === null ? 0 : 1)
  }
}

interface Ties {
  readonly name: string | null
  readonly subjects: readonly string[]
}

const NO_TIES: Ties = { name: null, subjects: [] }

function tiedTo({ kind, subject, payload }: LogEntry): Ties {
  if (!TYING_KINDS.some((tying) => tying === kind)) return NO_TIES
  if (typeof payload !== 'object' || payload === null) return NO_TIES
  const fields = new Map<string, unknown>(Object.entries(payload))
  const subjects = [subject]
  const task = fields.get('taskId')
  const gpid = fields.get('gpid')
  if (typeof task === 'string') subjects.push(`task:${task}`)
  if (typeof gpid === 'string') subjects.push(`process:${gpid}`)
  return { name: nameIn(fields), subjects }
}

/** An agent's name, or the last part of the command's path, as the process table shows it. */
function nameIn(fields: ReadonlyMap<string, unknown>): string | null {
  const name = fields.get('name')
  if (typeof name === 'string') return name
  const argv = fields.get('argv')
  const first: unknown = Array.isArray(argv) ? argv[0] : null
  return typeof first === 'string' ? (first.split('/').at(-1) ?? null) : null
}
