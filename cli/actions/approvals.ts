import type { Approval } from '../../node/api/index.ts'
import type { Args, Context, Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import type { Column } from '../output.ts'
import { oneLine, pairs } from '../output.ts'
import { ageText, durationText, linesOrNothing, orNothing } from '../quantity.ts'

export const list: Runner = async ({ client, output }) => {
  const rows = await client.approvals()
  const now = client.answeredAt
  const columns: readonly Column<Approval>[] = [
    { title: 'ID', text: ({ id }) => id },
    { title: 'STATE', text: ({ state }) => state },
    { title: 'WHO', text: ({ principal }) => principal },
    { title: 'WHAT', text: ({ what }) => what },
    { title: 'ENDS IN', text: (row) => endsIn(row, now) }
  ]
  await output.rows(rows, columns, 'nothing waits for an approval')
  return EXIT.done
}

export const show: Runner = async ({ client, output }, args) => {
  const approval = await client.approval(args.words[0] ?? '')
  await output.document(approval, (row) => shownText(row, client.answeredAt))
  return EXIT.done
}

export const approve: Runner = (context, args) => decide(context, args, true)

export const deny: Runner = (context, args) => decide(context, args, false)

async function decide(
  { client, output }: Context,
  args: Args,
  isApproved: boolean
): Promise<number> {
  const hash = isApproved ? args.text('hash') : null
  const decision = { approve: isApproved, hash }
  const approval = await client.decideApproval(args.words[0] ?? '', decision)
  await output.document(approval, ({ id, state, what }) => oneLine(`${id} is ${state}: ${what}`))
  return EXIT.done
}

function shownText(row: Approval, now: number): string {
  return pairs([
    ['approval', `${row.id}, ${row.state}${row.decidedBy === null ? '' : ` by ${row.decidedBy}`}`],
    [
      'asked',
      `${ageText(row.requestedAt, now)} ago by ${row.principal}, ends in ${endsIn(row, now)}`
    ],
    ['why', row.why],
    ['what', row.what],
    ['argv', JSON.stringify(row.argv)],
    ['folder', row.cwd ?? 'a fresh one'],
    ['variables', orNothing(row.environment.map(oneLine).join(', '))],
    ['files', linesOrNothing(row.files.map(({ path, digest }) => `${path}  ${digest}`))],
    ['asks for', row.destinations],
    ['node', row.node],
    ['hash', row.hash]
  ])
}

function endsIn({ state, expiresAt }: Approval, now: number): string {
  return state === 'pending' || state === 'approved'
    ? durationText(Math.max(0, expiresAt - now))
    : '-'
}
