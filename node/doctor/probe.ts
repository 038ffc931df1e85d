// Looks at this machine for `weaver doctor`. Makes a control group and removes it; changes nothing else.

import { existsSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import { systemClock } from '../../core/system.ts'
import type { Logger } from '../../core/index.ts'
import { GroupMaker } from '../containment/cgroups.ts'
import { detectContainment } from '../containment/detect.ts'
import type { Seen, SeenKernel } from './checks.ts'

export async function seenHere(home: string, kernel: SeenKernel | null): Promise<Seen> {
  return {
    nodeVersion: process.version,
    containment: await detectContainment(process.platform, process.arch),
    groups: groupsHere(),
    home: { path: home, mode: statSync(home, { throwIfNoEntry: false })?.mode ?? null },
    disk: diskOf(home),
    kernel
  }
}

function groupsHere(): Seen['groups'] {
  const names = { home: 'doctor', boot: String(process.pid) }
  const groups = new GroupMaker({ clock: systemClock, log: silent }, names)
  try {
    return groups.report()
  } finally {
    groups.close()
  }
}

/** Of the nearest folder above that exists: a home that was not made yet has a disk all the same. */
function diskOf(home: string): Seen['disk'] {
  let folder = home
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  try {
    const { bavail, blocks, bsize } = statfsSync(folder)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  } catch {
    return null // No such call on this file system.
  }
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent
}
