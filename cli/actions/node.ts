import type { NodeView } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { pairs } from '../output.ts'
import {
  ageText,
  gpusText,
  labelsText,
  linesOrNothing,
  orNothing,
  percentText,
  sizeText
} from '../quantity.ts'

export const show: Runner = async ({ client, output }, args) => {
  const node = await client.node(args.words[0] ?? null)
  await output.document(node, (it) => nodeText(it, client.answeredAt))
  return EXIT.done
}

function nodeText(node: NodeView, now: number): string {
  const resources = node.resources
  const memory =
    resources === null
      ? '-'
      : `${sizeText(resources.memoryBytes)}, ${sizeText(node.memoryBytesFree)} free`
  const seen = node.state === 'self' ? '' : `, heard ${ageText(node.lastSeen, now)} ago`
  return pairs([
    ['node', node.name],
    ['id', node.nodeId],
    ['state', `${node.state}${seen}`],
    ['role', node.role],
    ['addresses', linesOrNothing(node.addresses)],
    ['CPUs', `${resources?.cpus ?? '-'}, ${percentText(node.cpuPercent)} in use`],
    ['memory', memory],
    ['GPUs', gpusText(node.gpus)],
    ['labels', labelsText(node.labels)],
    ['processes', String(node.processes)],
    ['version', orNothing(node.version)]
  ])
}
