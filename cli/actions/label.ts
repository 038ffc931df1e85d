import type { LabelRequest, NodeLabel, NodeLabels } from '../../node/api/index.ts'
import { checkEachOnce } from '../args.ts'
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
  const steps = words.map(stepOf)
  checkEachOnce(
    'mesh label',
    steps.map(({ key, word }) => [key, word])
  )
  return {
    labels: Object.fromEntries(
      steps.flatMap(({ key, value }) => (value === null ? [] : [[key, value]]))
    ),
    removed: steps.flatMap(({ key, value }) => (value === null ? [key] : []))
  }
}

interface Step {
  readonly word: string
  readonly key: string
  /** Null: the label is taken away. */
  readonly value: string | null
}

function stepOf(word: string): Step {
  const equals = word.indexOf('=')
  if (equals > 0) return { word, key: word.slice(0, equals), value: word.slice(equals + 1) }
  if (equals < 0 && /^.+-$/.test(word)) return { word, key: word.slice(0, -1), value: null }
  throw usageError(
    `mesh label cannot read '${word}': write KEY=VALUE to set a label, KEY- to take it away`
  )
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
