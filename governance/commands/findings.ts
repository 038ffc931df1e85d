// What an analysis has found so far. Lists are bounded; what does not fit makes the command unanalysable,
// so that a bound never hides anything.

import type { Field } from './field.ts'
import { texts } from './field.ts'
import {
  ITEM_LENGTH_MAX,
  ITEMS_MAX,
  LISTED_COMMANDS_MAX,
  NOTES_MAX,
  SHELL_TEXTS_LENGTH_MAX,
  STEPS_MAX
} from './limits.ts'

/** What a command may do that somebody might mind. A closed list: policies name its words. */
export const RISKS = [
  'destroys',
  'exfiltrates',
  'reads-secrets',
  'escalates',
  'persists',
  'changes-system',
  'runs-fetched-code',
  'interprets-code',
  'kills',
  'exhausts',
  'hides',
  'publishes'
] as const

export type Risk = (typeof RISKS)[number]

export class Findings {
  readonly programs: Set<string> = new Set()
  readonly risks: Set<Risk> = new Set()
  readonly reads: Set<string> = new Set()
  readonly writes: Set<string> = new Set()
  readonly hosts: Set<string> = new Set()
  readonly commands: (readonly string[])[] = []
  readonly notes: string[] = []
  isAnalysable = true
  #judged = 0
  #shellLength = 0

  risk(risk: Risk, why: string): void {
    if (!this.risks.has(risk)) this.#note(`${risk}: ${why}`)
    this.risks.add(risk)
  }

  /** Something that only running it would tell. */
  unresolved(why: string): void {
    if (this.isAnalysable || this.notes.length < 8) this.#note(`not analysable: ${why}`)
    this.isAnalysable = false
  }

  /** False once the budget of commands is spent. */
  command(fields: readonly Field[]): boolean {
    if (!this.step()) return false
    if (this.commands.length < LISTED_COMMANDS_MAX) this.commands.push(texts(fields))
    else this.unresolved('it has too many commands')
    return true
  }

  /** One step of the budget that bounds the whole analysis. */
  step(): boolean {
    this.#judged += 1
    if (this.#judged <= STEPS_MAX) return true
    this.unresolved('it has too many commands')
    return false
  }

  /** False once the budget of shell texts is spent. */
  shell(text: string): boolean {
    this.#shellLength += text.length
    if (this.#shellLength <= SHELL_TEXTS_LENGTH_MAX) return true
    this.unresolved('its shell texts are too long')
    return false
  }

  program(name: string): void {
    this.#keep(this.programs, name)
  }

  read(path: string): void {
    this.#keep(this.reads, path)
  }

  write(path: string): void {
    this.#keep(this.writes, path)
  }

  host(name: string): void {
    this.#keep(this.hosts, name.toLowerCase())
  }

  #keep(into: Set<string>, item: string): void {
    if (item === '' || into.has(item)) return
    if (into.size >= ITEMS_MAX || item.length > ITEM_LENGTH_MAX) {
      this.unresolved('it names too much to list')
      return
    }
    into.add(item)
  }

  #note(text: string): void {
    const line = text.slice(0, ITEM_LENGTH_MAX)
    if (this.notes.length < NOTES_MAX && !this.notes.includes(line)) this.notes.push(line)
  }
}
