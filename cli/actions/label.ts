import type { LabelRequest, NodeLabel, NodeLabels } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { table } from '../output.ts'
import type { Column } from '../output.ts'

export const label: Runner = async ({ client, output }, args) => {
  const [node = '', ...words] = args.words
  const labelled =
    words.length === 0
      ? await client.nodeLabels(node)
      : await client.labelNode(node, changeOf(words))
  await output.document(labelled, labelsTable)
  return EXIT.done
}

/** The kernel says what else may be wrong with a label. @throws CliError `CLI_USAGE` */
function changeOf(words: readonly string[]): LabelRequest {
  const labels = new Map<string, string>()
  const removed = new Set<string>()
  for (const word of words) {
    const equals = word.indexOf('=')
    if (equals > 0) labels.set(word.slice(0, equals), word.slice(equals + 1))
    else if (equals < 0 && /^.+-$/.test(word)) removed.add(word.slice(0, -1))
    else {
      throw usageError(
        `mesh label cannot read '${word}': write KEY=VALUE to set a label, KEY- to take it away`
      )
    }
  }
  return { labels: Object.fromEntries(labels), removed: [...removed] }
}

function labelsTable({ name, labels }: NodeLabels): string {
  if (labels.length === 0) return `${name} has no labels`
  const columns: readonly Column<NodeLabel>[] = [
    { title: 'LABEL', text: ({ key, value }) => `${key}=${value}` },
    { title: 'FROM', text: fromText },
    { title: 'STATE', text: (row) => stateText(row, name) }
  ]
  return table(labels, columns)
}

function fromText({ from, startValue }: NodeLabel): string {
  return from === 'mesh' && startValue !== null ? `mesh (start: ${startValue})` : from
}

function stateText({ state }: NodeLabel, name: string): string {
  if (state === 'in-force') return 'in force'
  return `${state === 'waiting' ? 'comes' : 'goes'} when ${name} hears of it`
}
