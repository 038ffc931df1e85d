// Control groups: limits of memory, CPU and processes, and an end that nothing in them can escape. Version
// 2, version 1, or both beside each other, each as far as this kernel may write there.
//
// Invariants
//   K1. Groups of a process lie below the kernel's own, so that what limits the kernel limits them.
//   K2. A limit that was demanded is in force before the command starts, or the start is refused.
//   K3. A group is named for its home and boot: what a dead kernel left is found and ended.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import type { Clock, Limits, Logger } from '../../core/index.ts'
import { LimitMissingError } from './errors.ts'
import { CPU_PERIOD_US, GROUP_REMOVE_PAUSE_MS, GROUP_REMOVE_TRIES_MAX } from './limits.ts'
import type { ControlGroup } from './ports.ts'

export type Controller = 'memory' | 'cpu' | 'pids'
type Hierarchy = Controller | 'kill'

interface Place {
  readonly version: 1 | 2
  /** Our folder in it, which holds one folder for each process. */
  readonly folder: string
}

/** What of control groups this machine has for this kernel. */
export interface GroupReport {
  /** The controllers that hold, by version. */
  readonly controllers: Readonly<Partial<Record<Controller, 1 | 2>>>
  /** Whether a whole group can be ended at once. */
  readonly canKill: boolean
  /** Why a controller is missing; null when none is. */
  readonly why: string | null
}

/** A process that was found in the group of a process of an earlier kernel. */
export interface Left {
  readonly osPid: number
  /** Null for what is no process of the table: a tool's worker. */
  readonly pid: number | null
}

/** A group that processes join by writing their number into each of `joinFiles`. */
export interface JoinableGroup extends ControlGroup {
  readonly joinFiles: readonly string[]
}

export interface GroupMakerDeps {
  readonly clock: Clock
  readonly log: Logger
}

export interface GroupMakerOptions {
  readonly home: string
  readonly boot: string
  /** What the system says of its hierarchies; absent: this system, asked now. */
  readonly tables?: GroupTables
}

/** The texts of /proc/self/mounts and /proc/self/cgroup; empty where there is no such thing. */
export interface GroupTables {
  readonly mounts: string
  readonly own: string
}

const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'pids']

export class GroupMaker {
  readonly #deps: GroupMakerDeps
  readonly #places: ReadonlyMap<Hierarchy, Place>
  readonly #why: string | null

  readonly #prefix: string
  readonly #boot: string
  /** The end of the groups of earlier boots. */
  #removing: Promise<void> = Promise.resolve()

  /** `home` and `boot` name this kernel. Makes its folders. */
  constructor(deps: GroupMakerDeps, options: GroupMakerOptions) {
    this.#deps = deps
    this.#prefix = `weaver-${options.home.slice(0, 16)}-`
    this.#boot = options.boot
    const found = findPlaces(`${this.#prefix}${options.boot}`, options.tables ?? systemTables())
    this.#places = found.places
    this.#why = found.why
  }

  /** Ends what earlier boots of this home left (K3), and says what it was: another boot is over, by the home's lock. */
  endEarlier(): readonly Left[] {
    const own = `${this.#prefix}${this.#boot}`
    const folders = this.folders.map(dirname).flatMap((parent) =>
      namesIn(parent)
        .filter((name) => name.startsWith(this.#prefix) && name !== own)
        .map((name) => join(parent, name))
    )
    const left = folders.flatMap((folder) => endBelow(folder))
    // What was just killed holds its group for a moment more.
    this.#removing = removedSoon(this.#deps, folders)
    return left
  }

  report(): GroupReport {
    const controllers: Partial<Record<Controller, 1 | 2>> = {}
    for (const controller of CONTROLLERS) {
      const place = this.#places.get(controller)
      if (place !== undefined) controllers[controller] = place.version
    }
    return { controllers, canKill: this.#places.has('kill'), why: this.#why }
  }

  /** The folders below which all of this kernel's processes are, for the guardian. */
  get folders(): readonly string[] {
    return [...new Set([...this.#places.values()].map(({ folder }) => folder))]
  }

  /**
   * `name` is a process's pid, or one that no other group of this kernel has. Null when there is nothing to hold and nothing to kill by. A limit that is only wished for is left out
   * where it cannot be had.
   * @throws WeaverError `CONTAINMENT_LIMIT_MISSING` when one of `demanded` cannot be held (K2)
   */
  make(
    name: string,
    wished: Limits,
    options: { readonly demanded: Limits; readonly isKillable: boolean }
  ): JoinableGroup | null {
    const wanted = settingsOf(wished)
    const folders = new Set<string>()
    try {
      for (const [controller, write] of wanted) {
        const place = this.#places.get(controller)
        const isDemanded = settingsOf(options.demanded).has(controller)
        if (place === undefined) {
          if (isDemanded) throw new LimitMissingError(controller, this.#why ?? 'no such controller')
          continue
        }
        const folder = made(join(place.folder, name), folders)
        writeAll(controller, { folder, isDemanded, files: write(place.version, folder) })
      }
      const killer = this.#places.get('kill')
      if (options.isKillable && killer !== undefined) made(join(killer.folder, name), folders)
    } catch (error) {
      for (const folder of folders) removed(folder)
      throw error
    }
    return folders.size === 0 ? null : new Group(this.#deps, [...folders])
  }

  /** To be called when no process is left that counts: what is left is ended. Never rejects. */
  async close(): Promise<void> {
    for (const folder of this.folders) endBelow(folder)
    await Promise.all([this.#removing, removedSoon(this.#deps, this.folders)])
  }
}

class Group implements JoinableGroup {
  readonly joinFiles: readonly string[]
  readonly #deps: GroupMakerDeps
  readonly #folders: readonly string[]

  constructor(deps: GroupMakerDeps, folders: readonly string[]) {
    this.#deps = deps
    this.#folders = folders
    this.joinFiles = folders.map((folder) => join(folder, 'cgroup.procs'))
  }

  kill(): void {
    for (const folder of this.#folders) killGroup(folder)
  }

  async remove(): Promise<void> {
    for (let round = 0; round < GROUP_REMOVE_TRIES_MAX; round++) {
      this.kill()
      const left = this.#folders.filter((folder) => !removed(folder))
      if (left.length === 0) return
      await this.#deps.clock.sleep(GROUP_REMOVE_PAUSE_MS)
    }
    this.#deps.log.warn('Cannot remove a control group', { folder: this.#folders.join(' ') })
  }
}

/** Removes kernels' folders, as soon as the last zombies in them have been waited for. Never rejects. */
async function removedSoon(
  { clock, log }: GroupMakerDeps,
  folders: readonly string[]
): Promise<void> {
  let left = folders
  for (let round = 0; round < GROUP_REMOVE_TRIES_MAX && left.length > 0; round++) {
    if (round > 0) await clock.sleep(GROUP_REMOVE_PAUSE_MS)
    left = left.filter((folder) => {
      endBelow(folder)
      return !removed(folder)
    })
  }
  if (left.length > 0) log.warn('Cannot remove control groups', { folders: left.join(' ') })
}

/** The files of a group that hold a limit, and what is to be written into them. */
type Setting = (
  version: 1 | 2,
  folder: string
) => readonly (readonly [file: string, text: string])[]

function settingsOf({ memoryBytes, cpus, pids }: Limits): ReadonlyMap<Controller, Setting> {
  const settings = new Map<Controller, Setting>()
  if (memoryBytes !== null) {
    const bytes = String(memoryBytes)
    settings.set('memory', (version, folder) => {
      if (version === 2) {
        const swap = existsSync(join(folder, 'memory.swap.max')) ? [['memory.swap.max', '0']] : []
        return [['memory.max', bytes], ['memory.oom.group', '1'], ...pairs(swap)]
      }
      // With swap counted, the sum may not be lower than the memory alone: it comes second.
      const both = 'memory.memsw.limit_in_bytes'
      const swap = existsSync(join(folder, both)) ? [[both, bytes]] : []
      return [['memory.limit_in_bytes', bytes], ...pairs(swap)]
    })
  }
  if (cpus !== null) {
    const quota = String(Math.max(1000, Math.round(cpus * CPU_PERIOD_US)))
    settings.set('cpu', (version) =>
      version === 2
        ? [['cpu.max', `${quota} ${CPU_PERIOD_US}`]]
        : [
            ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
            ['cpu.cfs_quota_us', quota]
          ]
    )
  }
  if (pids !== null) settings.set('pids', () => [['pids.max', String(pids)]])
  return settings
}

function pairs(lists: readonly (readonly string[])[]): readonly (readonly [string, string])[] {
  return lists.map(([file = '', text = '']) => [file, text])
}

function writeAll(
  controller: Controller,
  {
    folder,
    isDemanded,
    files
  }: {
    readonly folder: string
    readonly isDemanded: boolean
    readonly files: readonly (readonly [string, string])[]
  }
): void {
  try {
    for (const [file, text] of files) writeFileSync(join(folder, file), text)
  } catch (error) {
    if (isDemanded) throw new LimitMissingError(controller, String(error))
  }
}

function made(folder: string, folders: Set<string>): string {
  mkdirSync(folder, { recursive: true })
  folders.add(folder)
  return folder
}

/** Ends all that is in a group and below it: at once where the system can, else frozen first, then one by one. */
function killGroup(folder: string): void {
  try {
    if (existsSync(join(folder, 'cgroup.kill'))) {
      writeFileSync(join(folder, 'cgroup.kill'), '1')
      return
    }
    const freezer = join(folder, 'freezer.state')
    const canFreeze = existsSync(freezer)
    if (canFreeze) writeFileSync(freezer, 'FROZEN')
    for (const osPid of membersOf(folder)) killOne(osPid)
    if (canFreeze) writeFileSync(freezer, 'THAWED')
  } catch {
    // It has gone, which is what was wanted, or `remove` tries again and tells.
  }
}

function killOne(osPid: number): void {
  try {
    process.kill(osPid, 'SIGKILL')
  } catch {
    // It has ended since.
  }
}

function membersOf(folder: string): readonly number[] {
  try {
    const text = readFileSync(join(folder, 'cgroup.procs'), 'utf8')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map(Number)
  } catch {
    return []
  }
}

/** Whether the group is gone. */
function removed(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch {
    return !existsSync(folder)
  }
}

/** Ends and removes the groups of single processes in a kernel's folder. */
function endBelow(folder: string): readonly Left[] {
  const left: Left[] = []
  for (const name of namesIn(folder)) {
    for (const osPid of membersOf(join(folder, name))) left.push({ osPid, pid: pidNamed(name) })
    killGroup(join(folder, name))
    removed(join(folder, name))
  }
  return left
}

function pidNamed(name: string): number | null {
  return /^\d+$/.test(name) ? Number(name) : null
}

function namesIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  } catch {
    return []
  }
}

/** Where this kernel may make groups. */
function findPlaces(
  name: string,
  tables: GroupTables
): {
  readonly places: ReadonlyMap<Hierarchy, Place>
  readonly why: string | null
} {
  const places = new Map<Hierarchy, Place>()
  const tried: string[] = []
  const own = ownGroups(tables.own)
  for (const mount of mountedHierarchies(tables.mounts)) {
    const parent = firstWritable(mount, own)
    if (parent === null) continue
    const folder = join(parent, name)
    try {
      mkdirSync(folder, { recursive: true })
      tried.push(folder)
    } catch {
      continue // It may not be written after all.
    }
    for (const hierarchy of hierarchiesAt(mount, parent, folder)) {
      // The second version ends a group at once: it is kept over the first one's freezer.
      if (hierarchy !== 'kill' || mount.version === 2 || !places.has('kill')) {
        places.set(hierarchy, { version: mount.version, folder })
      }
    }
  }
  // Hierarchies of other things, and those that another stands in for, keep nothing of ours.
  const used = new Set([...places.values()].map(({ folder }) => folder))
  for (const folder of tried) if (!used.has(folder)) removed(folder)
  const missing = CONTROLLERS.filter((controller) => !places.has(controller))
  const why =
    missing.length === 0
      ? null
      : `this kernel may not make control groups for ${missing.join(', ')}`
  return { places, why }
}

interface Mounted {
  readonly version: 1 | 2
  readonly path: string
  /** Of version 1: what it controls. */
  readonly names: readonly string[]
}

function systemTables(): GroupTables {
  try {
    const [mounts, own] = [
      readFileSync('/proc/self/mounts', 'utf8'),
      readFileSync('/proc/self/cgroup', 'utf8')
    ]
    return { mounts, own }
  } catch {
    return { mounts: '', own: '' } // No Linux.
  }
}

function mountedHierarchies(text: string): readonly Mounted[] {
  return text.split('\n').flatMap((line): readonly Mounted[] => {
    const [, path = '', type, options = ''] = line.split(' ')
    if (type === 'cgroup2') return [{ version: 2, path, names: [''] }]
    return type === 'cgroup' ? [{ version: 1, path, names: options.split(',') }] : []
  })
}

/** This process's own group in each hierarchy, by controller; the second version is the empty name. */
function ownGroups(text: string): ReadonlyMap<string, string> {
  const lines = text.trim().split('\n')
  return new Map(
    lines.flatMap((line) => {
      const [, names = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
      return names.split(',').map((name) => [name, path] as const)
    })
  )
}

function firstWritable({ path, names }: Mounted, own: ReadonlyMap<string, string>): string | null {
  const ownPath = names.map((name) => own.get(name)).find((found) => found !== undefined)
  if (ownPath === undefined) return null
  const folder = join(path, ownPath) // K1
  try {
    accessSync(folder, constants.W_OK)
    return folder
  } catch {
    return null
  }
}

function hierarchiesAt(mount: Mounted, parent: string, folder: string): readonly Hierarchy[] {
  if (mount.version === 1) {
    const held = CONTROLLERS.filter((controller) => mount.names.includes(controller))
    return mount.names.includes('freezer') ? [...held, 'kill'] : held
  }
  const enabled = CONTROLLERS.filter((controller) => {
    return isEnabled(parent, controller) && isEnabled(folder, controller)
  })
  return existsSync(join(folder, 'cgroup.kill')) ? [...enabled, 'kill'] : enabled
}

/** Of version 2: a controller must be handed down by every group above. */
function isEnabled(folder: string, controller: Controller): boolean {
  const file = join(folder, 'cgroup.subtree_control')
  try {
    if (readFileSync(file, 'utf8').trim().split(' ').includes(controller)) return true
    writeFileSync(file, `+${controller}`)
    return true
  } catch {
    return false // Not ours to give, or the group has processes of its own.
  }
}
