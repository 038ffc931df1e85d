import process from 'node:process'
import { INVITE_USES_MAX } from '../../node/api/index.ts'
import type { MeshStatus, Peer } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { pairs } from '../output.ts'
import type { Column, Output } from '../output.ts'
import { stateColour } from '../paint.ts'
import { ageText, gpusText, labelsText, linesOrNothing, timeText } from '../quantity.ts'

const INVITE_TTL_MS = 600_000

export const invite: Runner = async ({ client, output }, args) => {
  const { durationOf } = await import('../duration.ts')
  const made = await client.invite({
    ttlMs: durationOf(args, 'ttl') ?? INVITE_TTL_MS,
    uses: args.count('uses', 1, [1, INVITE_USES_MAX]),
    role: args.oneOf('role', ['member', 'admin'], 'member')
  })
  await output.document(made, (it) => it.invite)
  if (!output.isJson) {
    await drawCode(made.invite, output)
    const times = made.uses === 1 ? 'once' : `${made.uses} times`
    output.note(
      `valid until ${timeText(made.expiresAt)}, ${times}; on the other machine: ` +
        'weaver kernel start --join INVITE'
    )
  }
  return EXIT.done
}

/** On a terminal, for a phone's camera or a screen's: the line itself is what matters. */
async function drawCode(line: string, output: Output): Promise<void> {
  if (!process.stdout.isTTY) return
  const { renderUnicodeCompact } = await import('uqr')
  const drawn = renderUnicodeCompact(line, { ecc: 'L', border: 2 })
  for (const row of drawn.split('\n')) output.note(row)
}

export const join: Runner = async ({ client, output }, args) => {
  const { withProgress } = await import('../clock.ts')
  const joined = await withProgress(
    () => output.note('weaver: joining ...'),
    client.join(args.words[0] ?? '')
  )
  await output.document(joined, statusText)
  return EXIT.done
}

export const status: Runner = async ({ client, output }) => {
  await output.document(await client.meshStatus(), statusText)
  return EXIT.done
}

function statusText(mesh: MeshStatus): string {
  const rows: [string, string | readonly string[]][] = [
    ['mesh', mesh.id ?? 'none'],
    ['node', `${mesh.name} ${mesh.nodeIdText}`],
    ['members', `${mesh.members}, ${mesh.connected} connected`],
    ['listens on', linesOrNothing(mesh.listen)]
  ]
  if (mesh.signatures > 1) rows.push(['signatures', `${mesh.signatures} admins must sign`])
  if (mesh.healthScore > 0) {
    rows.push(['health', `this machine is too busy to answer in time (${mesh.healthScore} of 8)`])
  }
  if (mesh.refused !== null) rows.push(['refused', mesh.refused])
  return pairs(rows)
}

export const peers: Runner = async ({ client, output }) => {
  const rows = await client.peers()
  await output.rows(rows, peerColumns(client.answeredAt), 'no peers')
  return EXIT.done
}

function peerColumns(now: number): readonly Column<Peer>[] {
  return [
    { title: 'NODE', text: ({ name }) => name },
    { title: 'STATE', text: ({ state }) => state, colour: ({ state }) => stateColour(state) },
    {
      title: 'RTT',
      text: ({ rttMs }) => (rttMs === null ? '-' : `${rttMs.toFixed(1)}ms`),
      isRight: true
    },
    { title: 'PATH', text: ({ path, relay }) => (relay === null ? (path ?? '-') : `via ${relay}`) },
    { title: 'ROLE', text: ({ role }) => role },
    { title: 'GPUS', text: ({ gpus }) => gpusText(gpus) },
    { title: 'LABELS', text: ({ labels }) => labelsText(labels) },
    {
      title: 'SEEN',
      text: ({ state, lastSeen }) => (state === 'self' ? '-' : ageText(lastSeen, now)),
      isRight: true
    },
    { title: 'ID', text: ({ nodeIdText }) => nodeIdText }
  ]
}
