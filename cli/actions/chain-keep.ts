import type { ChainKept } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { sizeText } from '../quantity.ts'

export const keep: Runner = async ({ client, output }, args) => {
  const lanes = args.texts('lane')
  const [all, own, headers] = [args.flag('all'), args.flag('own'), args.flag('headers')]
  const isSome = lanes.length > 0 || headers
  if ([all, own, isSome].filter(Boolean).length !== 1) {
    throw usageError(
      'say what to keep: --lane NODE, again for each, or --headers, or both, or --own, or --all'
    )
  }
  const rest = headers ? 'headers' : 'none'
  const kept = await client.keepLanes({ lanes: all ? null : lanes, rest })
  await output.document(kept, keptText)
  return kept.lacking.length === 0 ? EXIT.done : EXIT.failed
}

function keptText({ lanes, headersOnly, lacking, freedBytes }: ChainKept): string {
  const lines: string[] = []
  if (lanes === null) lines.push('this node keeps all lanes')
  else if (lanes.length === 0) lines.push('this node keeps its own lane')
  else lines.push(`this node keeps its own lane, and those of ${lanes.join(', ')}`)
  if (headersOnly.length > 0) lines.push(`of ${headersOnly.join(', ')} it keeps the headers only`)
  if (freedBytes > 0) lines.push(`freed ${sizeText(freedBytes)}`)
  if (lacking.length > 0) {
    lines.push(
      `of ${lacking.join(', ')} older payloads are lacking, and no member that is connected has them all; ` +
        'later: weaver chain repair'
    )
  }
  return lines.join('\n')
}
