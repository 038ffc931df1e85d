// `weaver doctor`: looks at this machine itself, with or without a kernel.

import { spawnSync } from 'node:child_process'
import { findings, seenHere } from '../../node/doctor/index.ts'
import type { Finding, SeenKernel } from '../../node/doctor/index.ts'
import type { Context, Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { paint } from '../paint.ts'

export const doctor: Runner = async (context, args) => {
  const { output, home } = context
  let found = findings(await seenHere(home, await kernelOf(context)))
  if (args.flag('fix') && found.some(isMendable)) {
    for (const finding of found.filter(isMendable)) mend(context, finding)
    found = findings(await seenHere(home, await kernelOf(context)))
  }
  const ok = found.every(({ state }) => state !== 'fail')
  await output.document({ ok, findings: found }, (it) => it.findings.map(line).join('\n'))
  return ok ? EXIT.done : EXIT.failed
}

/** What changes the system itself. A kernel is started, and bytes are collected, by whoever wants that. */
function isMendable({ state, fix }: Finding): boolean {
  return state !== 'ok' && fix !== null && /^(?:sudo|chmod) /.test(fix)
}

/** The commands are our own, word for word as they were shown. */
function mend({ output }: Context, { fix }: Finding): void {
  if (fix === null) return
  output.note(`weaver: running: ${fix}`)
  const { status } = spawnSync('/bin/sh', ['-c', fix], { stdio: ['inherit', 2, 2] })
  if (status !== 0) output.note(`weaver: that ended with ${status ?? 'a signal'}`)
}

/** Null where none answers: that is a finding, not a failure. */
async function kernelOf({ client }: Context): Promise<SeenKernel | null> {
  try {
    const [{ name, version, mesh, policy }, { lanes }] = await Promise.all([
      client.status(),
      client.chainStatus()
    ])
    const odd = lanes
      .filter(({ clockAheadMs, clockBehindMs }) => clockAheadMs > 0 || clockBehindMs > 0)
      .map(({ node }) => node)
    const { members, connected } = mesh
    return { name, version, policy, members, connected, oddClocks: odd }
  } catch {
    return null
  }
}

function line({ check, state, text, fix }: Finding): string {
  const colour = state === 'ok' ? 'green' : state === 'warn' ? 'yellow' : 'red'
  const mending = state === 'ok' || fix === null ? '' : `\n${' '.repeat(20)}${fix}`
  return `${paint(state.padEnd(6), colour)}${check.padEnd(14)}${text}${mending}`
}
