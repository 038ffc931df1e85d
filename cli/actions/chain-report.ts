// What a verification has found, for people.

import type { ChainReport } from '../../node/api/index.ts'
import { oneLine } from '../output.ts'
import { paint } from '../paint.ts'

export function reportText({ ok, problems, ...report }: ChainReport): string {
  const totals =
    `${counted(report.lanes, 'lane')}, ${counted(report.blocks, 'block')}, ` +
    `${counted(report.entries, 'entry', 'entries')}, ${counted(report.signatures, 'signature')}`
  const earlier = report.unchanged ?? 0
  const unread = report.unread ?? 0
  const how = unread === 0 ? '' : `, ${unread} of them by the file system's word`
  const known =
    earlier === 0 ? '' : ` (${counted(earlier, 'block')} unchanged since verified${how})`
  const first = `${paint(ok ? 'ok' : 'NOT OK', ok ? 'green' : 'red')}: ${totals}${known}`
  const lines = problems.map(({ lane, height, entry, code, message }) => {
    const where = [`lane ${lane}`, at('height', height), at('entry', entry)].filter(Boolean)
    return `  ${where.join(', ')}: ${message} (${code})`
  })
  const bare = report.headersOnly ?? []
  const unheld =
    bare.length === 0
      ? []
      : [`  only the headers of ${bare.join(', ')} are kept here: their payloads were not checked`]
  return [first, ...unheld, ...lines].map(oneLine).join('\n')
}

function at(name: string, value: string | number | null): string {
  return value === null ? '' : `${name} ${value}`
}

export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
