// The process table of macOS, from ps(1). Not exercised by the tests on Linux beyond its parser.
// `ps -E` shows the environment of one's own processes, appended to the command.

import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { LEASH_VARIABLE, parseLeash } from './environment.ts'
import type { OsProcess, OsProcesses } from './os-processes.ts'
import { sendSignal } from './signals.ts'

const COLUMNS = 'pid=,ppid=,pgid=,sess=,state=,rss=,time=,lstart=,command='
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
// pid ppid pgid sess state rss [dd-]hh:mm:ss.cc | mmm:ss.cc, then a date of five words, then the rest.
const LINE =
  /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/

export const macProcesses: OsProcesses = {
  scan: async ({ withLeashes }) => {
    const options = withLeashes ? '-axEww' : '-axww'
    const { stdout } = await promisify(execFile)('/bin/ps', [options, '-o', COLUMNS], {
      maxBuffer: OUTPUT_BYTES_MAX,
      env: { LC_ALL: 'C' }
    })
    return stdout.split('\n').flatMap((line) => parsePsLine(line) ?? [])
  },
  startOf: (osPid) => {
    try {
      const options = { encoding: 'utf8', env: { LC_ALL: 'C' } } as const
      return normal(execFileSync('/bin/ps', ['-o', 'lstart=', '-p', String(osPid)], options))
    } catch {
      return null // ps exits with 1 when there is no such process.
    }
  },
  bootOf: () => {
    const options = { encoding: 'utf8' } as const
    return execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], options).trim()
  },
  signal: sendSignal
}

/** Reads one line of `ps -o pid=,ppid=,pgid=,sess=,state=,rss=,time=,lstart=,command=`. */
export function parsePsLine(line: string): OsProcess | null {
  const match = LINE.exec(line)
  if (match === null) return null
  const [, osPid, parent, group, session, state, kilobytes, time, start, rest = ''] = match
  const leash = new RegExp(`(?:^| )${LEASH_VARIABLE}=(\\S+)`).exec(rest)?.[1]
  return {
    osPid: Number(osPid),
    parent: Number(parent),
    group: Number(group),
    session: Number(session) || 0,
    start: normal(start ?? ''),
    isZombie: state?.startsWith('Z') === true,
    command: rest.split(' ')[0] ?? '',
    cpuMs: cpuMsOf(time ?? ''),
    residentBytes: Number(kilobytes) * 1024,
    leash: leash === undefined ? null : parseLeash(leash)
  }
}

function cpuMsOf(time: string): number {
  const [clock = '', days = '0'] = time.split('-').toReversed()
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return (Number(days) * 86_400 + seconds) * 1000
}

function normal(start: string): string {
  return start.trim().replaceAll(/\s+/g, ' ')
}
