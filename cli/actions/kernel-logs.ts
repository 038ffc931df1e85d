import { LOG_LINES_MAX } from '../../node/api/index.ts'
import type { LogLine } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { paint } from '../paint.ts'
import { timeText } from '../quantity.ts'
import { showOutput } from '../streams.ts'

export const logs: Runner = async ({ client, output }, args) => {
  const follow = args.flag('follow')
  const process = args.text('process')
  if (process !== null) {
    await showOutput(client.processOutput(process, { follow }), output)
    return EXIT.done
  }
  const lines = args.count('lines', 100, [0, LOG_LINES_MAX])
  for await (const { item } of client.logs({ lines, follow })) await output.item(item, lineText)
  return EXIT.done
}

function lineText({ time, level, message, fields }: LogLine): string {
  const colour = level === 'error' ? 'red' : level === 'warn' ? 'yellow' : null
  const extras = Object.entries(fields).map(([key, value]) => ` ${key}=${fieldText(value)}`)
  return (
    `${paint(timeText(time), 'dim')}  ${paint(level.padEnd(5), colour)}  ${message}` +
    paint(extras.join(''), 'dim')
  )
}

function fieldText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value)
}
