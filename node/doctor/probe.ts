// Looks at this machine for `weaver doctor`. Makes a control group, and a container where there is podman, and removes them; changes nothing else.

import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import { systemClock } from '../../core/system.ts'
import type { Logger } from '../../core/index.ts'
import { GroupMaker } from '../containment/cgroups.ts'
import { detectContainment } from '../containment/detect.ts'
import { detectPodman, podmanEnvironment } from '../containment/podman-detect.ts'
import { FORWARDER_LANGUAGE } from '../egress/doorway.ts'
import { homePaths } from '../home-layout.ts'
import type { Seen, SeenFile, SeenKernel } from './checks.ts'

export async function seenHere(home: string, kernel: SeenKernel | null): Promise<Seen> {
  const paths = homePaths(home)
  return {
    nodeVersion: process.version,
    containment: await detectContainment(process.platform, process.arch),
    podman: await detectPodman(process.platform, podmanEnvironment(process.env)),
    groups: await groupsHere(),
    home: { path: home, mode: statSync(home, { throwIfNoEntry: false })?.mode ?? null },
    carrier: { program: FORWARDER_LANGUAGE, isThere: isProgram(FORWARDER_LANGUAGE) },
    secrets: { sealed: fileAt(paths.secrets), key: fileAt(paths.secretsKey) },
    disk: diskOf(home),
    kernel
  }
}

function fileAt(path: string): SeenFile {
  const found = statSync(path, { throwIfNoEntry: false })
  const isOwn = found === undefined || found.uid === process.getuid?.()
  return { path, mode: found?.mode ?? null, isOwn }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function groupsHere(): Promise<Seen['groups']> {
  const names = { home: 'doctor', boot: String(process.pid) }
  const groups = new GroupMaker({ clock: systemClock, log: silent }, names)
  try {
    return groups.report()
  } finally {
    await groups.close()
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
