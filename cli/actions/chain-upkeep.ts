import type {
  ChainRedaction,
  ChainRepair,
  ChainReport,
  ChainVerifyStep
} from '../../node/api/index.ts'
import type { Context, Runner } from '../command.ts'
import { CliError, EXIT, reportOf } from '../errors.ts'
import { counted, reportText } from './chain-report.ts'

/** Between two lines of progress, and before the first: what is quick needs none. */
const PROGRESS_EVERY_MS = 1000

export const verify: Runner = async ({ client, output }, args) => {
  const { wallMs } = await import('../clock.ts')
  let report: ChainReport | null = null
  let said = wallMs()
  const query = { lane: args.text('lane'), full: args.flag('full') }
  for await (const { item } of client.verifySteps(query)) {
    report = item.report ?? report
    if (item.report !== null || wallMs() < said + PROGRESS_EVERY_MS) continue
    said = wallMs()
    output.note(`weaver: ${progressText(item)}`)
  }
  if (report === null) {
    throw new CliError('CLI_KERNEL_GONE', 'The kernel ended the verification without a report')
  }
  await output.document(report, reportText)
  return report.ok ? EXIT.done : EXIT.failed
}

function progressText({ lane, height, heightMax, blocks, entries }: ChainVerifyStep): string {
  const share = heightMax === 0 ? 100 : Math.floor((100 * height) / heightMax)
  const sum = `${counted(blocks, 'block')}, ${counted(entries, 'entry', 'entries')}`
  return `verifying lane ${lane ?? ''}: ${share} % (${sum} so far)`
}

export const redact: Runner = async ({ client, output }, args) => {
  const reason = args.text('reason')
  if (reason === null) {
    throw new CliError('CLI_USAGE', 'chain redact needs --reason: it goes on record with your act')
  }
  const redaction = await client.redactEntry({ entry: args.words[0] ?? '', reason })
  await output.document(redaction, redactionText)
  return EXIT.done
}

function redactionText({ entry, by }: ChainRedaction): string {
  return (
    `redacted the payload of ${entry}; its hash stays\n` +
    `on record as ${by}; members that are away follow when they are back`
  )
}

/** Without a kernel the own lane may be what keeps it from starting: one is started that repairs it first. */
export const repair: Runner = async (context, args) => {
  const { client, output } = context
  if (!(await isRunning(context))) {
    const { startDaemon } = await import('../daemon.ts')
    const loss = args.flag('accept-loss') ? ['--accept-loss'] : []
    const flags = ['--repair', ...loss]
    output.note('weaver: no kernel runs; starting one that repairs its own lane first ...')
    const daemon = startDaemon({ home: context.home, flags, invite: null, isForeground: false })
    try {
      const { name } = await daemon.ready
      output.note(`weaver: the own lane is whole; kernel ${name} is ready`)
    } finally {
      daemon.child.unref()
    }
  }
  const repaired = await client.repairChain(args.text('lane'))
  await output.document(repaired, repairText)
  return repaired.ok ? EXIT.done : EXIT.failed
}

async function isRunning({ client }: Context): Promise<boolean> {
  try {
    await client.chainStatus()
    return true
  } catch (error) {
    if (reportOf(error).exit === EXIT.noKernel) return false
    throw error
  }
}

function repairText({ lanes }: ChainRepair): string {
  const lines = lanes
    .filter(({ damaged }) => damaged > 0)
    .map(({ lane, damaged, repaired, missing }) => {
      const left = missing.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
      const rest = left.length === 0 ? '' : `; no member that is here has ${left.join(', ')}`
      return `lane ${lane}: ${repaired} of ${counted(damaged, 'damaged block')} repaired${rest}`
    })
  return lines.length === 0 ? 'nothing is damaged' : lines.join('\n')
}
