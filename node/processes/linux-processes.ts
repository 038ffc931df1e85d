// The process table of Linux, from /proc. Reads are synchronous: one is 5 us, a promise for it is 50.

import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { LEASH_VARIABLE, parseLeash } from './environment.ts'
import type { Leash } from './environment.ts'
import { ENVIRONMENT_BYTES_MAX } from './limits.ts'
import type { OsProcess, OsProcesses } from './os-processes.ts'
import { sendSignal } from './signals.ts'

// Keys of the auxiliary vector, see getauxval(3).
const AT_PAGESZ = 6n
const AT_CLKTCK = 17n
const NEEDLE = Buffer.from(`\0${LEASH_VARIABLE}=`)
const buffer: Buffer = Buffer.alloc(64 * 1024)
let units: Units | null = null

/** In what the numbers of /proc are counted. */
interface Units {
  readonly pageBytes: number
  readonly ticksPerSecond: number
}

export const linuxProcesses: OsProcesses = {
  scan: ({ withLeashes }) => Promise.resolve(scan(withLeashes)),
  startOf: (osPid) => processOf(osPid, false)?.start ?? null,
  bootOf: () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  signal: sendSignal
}

function scan(withLeashes: boolean): readonly OsProcess[] {
  const found: OsProcess[] = []
  for (const name of readdirSync('/proc')) {
    const osPid = Number(name)
    if (!Number.isInteger(osPid)) continue
    const process = processOf(osPid, withLeashes)
    if (process !== null) found.push(process)
  }
  return found
}

function processOf(osPid: number, withLeash: boolean): OsProcess | null {
  units ??= systemUnits()
  const size = readInto(`/proc/${osPid}/stat`)
  if (size <= 0) return null // It has ended since, or hides.
  const process = parseStat(buffer.toString('latin1', 0, size), units)
  if (process === null || !withLeash || process.group === 0) return process // 0: a kernel thread.
  return { ...process, leash: leashOf(osPid) }
}

/** Reads `/proc/<pid>/stat` (see proc(5)). Null when it has another shape. */
export function parseStat(line: string, counted: Units): OsProcess | null {
  // The command's name may contain anything, parentheses and spaces too: the last `)` ends it.
  const nameStart = line.indexOf('(')
  const nameEnd = line.lastIndexOf(')')
  if (nameStart < 1 || nameEnd < nameStart) return null
  const fields = line.slice(nameEnd + 2).split(' ')
  const [state, parent, group, session] = fields
  const ticks = [fields[11], fields[12], fields[13], fields[14]].map(Number)
  const start = fields[19]
  const pages = Number(fields[21])
  if (start === undefined || state === undefined || !Number.isFinite(pages)) return null
  return {
    osPid: Number(line.slice(0, nameStart - 1)),
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    start,
    isZombie: state === 'Z' || state === 'X',
    command: line.slice(nameStart + 1, nameEnd),
    cpuMs: (ticks.reduce((sum, value) => sum + value, 0) * 1000) / counted.ticksPerSecond,
    residentBytes: pages * counted.pageBytes,
    leash: null
  }
}

function leashOf(osPid: number): Leash | null {
  const size = readInto(`/proc/${osPid}/environ`)
  if (size <= 0) return null
  if (size < buffer.length) return findLeash(buffer.subarray(0, size))
  try {
    return findLeash(readFileSync(`/proc/${osPid}/environ`).subarray(0, ENVIRONMENT_BYTES_MAX))
  } catch {
    return null // It has ended since.
  }
}

/** Finds our mark in the bytes of an environment: `NAME=value` items, each ended by NUL. */
export function findLeash(environment: Buffer): Leash | null {
  const isFirst = environment.subarray(0, NEEDLE.length - 1).equals(NEEDLE.subarray(1))
  const at = isFirst ? -1 : environment.indexOf(NEEDLE)
  if (!isFirst && at === -1) return null
  const from = at + NEEDLE.length
  const end = environment.indexOf(0, from)
  return parseLeash(environment.toString('latin1', from, end === -1 ? undefined : end))
}

/** Reads the auxiliary vector of this process: pairs of 64-bit words (32-bit systems have the usual). */
function systemUnits(): Units {
  const vector = readFileSync('/proc/self/auxv')
  const values = new Map<bigint, number>()
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    values.set(word(vector, at), Number(word(vector, at + 8)))
  }
  return {
    pageBytes: values.get(AT_PAGESZ) ?? 4096,
    ticksPerSecond: values.get(AT_CLKTCK) ?? 100
  }
}

function word(vector: Buffer, at: number): bigint {
  return endianness() === 'LE' ? vector.readBigUInt64LE(at) : vector.readBigUInt64BE(at)
}

/** Bytes read into `buffer`; -1 when the file cannot be read. */
function readInto(path: string): number {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch {
    return -1 // Ended, or another user's.
  }
  try {
    return readSync(descriptor, buffer, 0, buffer.length, 0)
  } catch {
    return -1 // ESRCH: ended between the two calls.
  } finally {
    closeSync(descriptor)
  }
}
