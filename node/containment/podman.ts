// Containment in a container of an image, by podman: the same promises as bubblewrap, with another system inside.
//
// Invariants
//   I1. An image that is not on this machine is not fetched.
//   I2. What runs inside is no child of this kernel: its name is told to the guardian before podman starts, and a
//       later kernel of the home removes what carries the home's label.

import {
  existsSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../../core/index.ts'
import { grantedFolders } from './closed-places.ts'
import { ContainmentMissingError, GrantRefusedError, ImageMissingError } from './errors.ts'
import { openFolder } from './open-folder.ts'
import {
  checkImageWish,
  containerArguments,
  directoryInside,
  environmentText,
  HOME_LABEL
} from './podman-arguments.ts'
import { detectPodman, podman, podmanEnvironment } from './podman-detect.ts'
import type { FoundPodman, PodmanAnswer, PodmanWay } from './podman-detect.ts'
import type { Container, LaunchPlan, LaunchWish } from './ports.ts'
import { guardedView, insideOf, passedVariables, TASK_FOLDER } from './view.ts'
import type { Seen } from './view.ts'

export interface PodmanOptions {
  readonly home: string
  readonly boot: string
  readonly runDirectory: string
  readonly closedPaths: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
}

export class Podman {
  readonly name = 'podman'
  readonly environment: Readonly<Record<string, string>>
  readonly #deps: { readonly log: Logger }
  readonly #options: PodmanOptions
  /** Exists while there may be containers of this home. */
  readonly #marker: string
  /** Looked for when the first image is asked for: a trial takes a quarter of a second. */
  #found: Promise<FoundPodman> | null = null

  constructor(deps: { readonly log: Logger }, options: PodmanOptions) {
    this.#deps = deps
    this.#options = options
    this.#marker = join(options.runDirectory, 'containers')
    this.environment = podmanEnvironment(options.environment)
  }

  /** Removes what an earlier kernel of this home left. To be called once, under the home's lock. */
  async endEarlier(): Promise<void> {
    if (!existsSync(this.#marker)) return
    const program = readFileSync(this.#marker, 'utf8')
    const label = `label=${HOME_LABEL}=${this.#options.home}`
    const listed = await this.#ran(program, ['ps', '--all', '--quiet', '--filter', label])
    const ids = listed.stdout.split('\n').filter((id) => id !== '')
    if (ids.length > 0) await this.#ran(program, [...REMOVE, ...ids])
    rmSync(this.#marker, { force: true })
  }

  /** Of the image that is called so at this moment: names of images move. @throws WeaverError as `plan` */
  async imageId(image: string): Promise<string> {
    const way = await this.#way()
    await this.#checkImage(way, image)
    const inspect = ['image', 'inspect', '--format', '{{.Id}}', image]
    const { isDone, stdout, text } = await this.#ran(way.program, inspect)
    const id = stdout.trim()
    if (isDone && /^[0-9a-f]{64}$/.test(id)) return id
    throw new ContainmentMissingError(`podman says: ${text.slice(0, 200)}`, 'podman info')
  }

  /**
   * @throws WeaverError `CONTAINMENT_MISSING`, `CONTAINMENT_IMAGE_MISSING`, `CONTAINMENT_GRANT_REFUSED`,
   *   `CONTAINMENT_LIMIT_MISSING`, `PROCESS_BAD_DIRECTORY`
   */
  async plan(wish: LaunchWish, image: string): Promise<LaunchPlan> {
    const { home, boot, runDirectory } = this.#options
    checkImageWish(wish.grants, wish.gpus, image)
    const view = this.#view(wish)
    const way = await this.#way()
    await this.#checkImage(way, image)
    const name = `weaver-${home.slice(0, 16)}-${boot.slice(0, 16)}-${wish.pid}`
    const pidFile = join(runDirectory, `container-${wish.pid}.pid`)
    rmSync(pidFile, { force: true })
    const environment = this.#written(name, environmentText(this.#environment(wish)))
    try {
      const asked = { ...wish, ...view, name, home, image, pidFile }
      // The first of the descriptors that it gets.
      const args = containerArguments({ ...asked, environmentFile: '/dev/fd/3' }, way)
      writeFileSync(this.#marker, way.program, { mode: 0o600 })
      return {
        command: [way.program, ...args],
        environment: { ...this.environment, [wish.mark[0]]: wish.mark[1] },
        directory: '/',
        descriptors: [environment],
        group: null,
        container: this.#container(way, name, pidFile),
        release: () => closeSync(environment)
      }
    } catch (error) {
      closeSync(environment)
      throw error
    }
  }

  #view(wish: LaunchWish): {
    readonly shown: readonly Seen[]
    readonly workDirectory: string
    readonly hasTaskFolder: boolean
  } {
    const { directory, isOwnDirectory: hasTaskFolder } = wish
    const granted = grantedFolders(wish.grants, this.#options.closedPaths)
    // Podman looks a path up again: links are refused here, as they are elsewhere.
    for (const { path } of granted) closeSync(openFolder(path))
    const guarded = guardedView(granted, wish.guards)
    const own = { path: directory, inside: TASK_FOLDER, isWritable: true }
    const shown = [
      ...guarded.filter((it) => granted.includes(it) || isThere(it.path)),
      ...(hasTaskFolder ? [own] : [])
    ]
    const inside = hasTaskFolder ? TASK_FOLDER : insideOf(directory, granted)
    return { shown, workDirectory: directoryInside(directory, inside), hasTaskFolder }
  }

  /** The image's own variables are below these. */
  #environment({ environment, given, grants, mark }: LaunchWish): Record<string, string> {
    const passed = passedVariables(grants, this.#options.environment)
    const places = { HOME: TASK_FOLDER, TMPDIR: '/tmp' }
    return { ...environment, ...places, ...given, ...passed, [mark[0]]: mark[1] }
  }

  async #way(): Promise<PodmanWay> {
    this.#found ??= detectPodman(this.#options.platform, this.environment)
    const found = await this.#found
    if (found.name !== null) return found
    this.#found = null // Perhaps it is mended before the next.
    const why = `${found.why}; mend that there with: ${found.fix}`
    throw new ContainmentMissingError(why, 'weaver doctor tries it again, under images')
  }

  async #checkImage(way: PodmanWay, image: string): Promise<void> {
    const { code, text } = await this.#ran(way.program, ['image', 'exists', image])
    if (code === 1) throw new ImageMissingError(image) // I1
    if (code === 0) return
    throw new ContainmentMissingError(`podman says: ${text.slice(0, 200)}`, 'podman info')
  }

  #container(way: PodmanWay, name: string, pidFile: string): Container {
    return {
      name,
      inside: () => {
        const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
        return Number.isSafeInteger(pid) && pid > 1 ? pid : null
      },
      end: async () => {
        const { isDone, text } = await this.#ran(way.program, [...REMOVE, name])
        rmSync(pidFile, { force: true })
        if (!isDone) this.#deps.log.error('Cannot end a container', { name, why: text })
      }
    }
  }

  /** An open file of this text that has no name any more. */
  #written(name: string, text: string): number {
    const path = join(this.#options.runDirectory, `${name}.env`)
    writeFileSync(path, text, { mode: 0o600 })
    try {
      return openSync(path, 'r')
    } finally {
      unlinkSync(path)
    }
  }

  #ran(program: string, args: readonly string[]): Promise<PodmanAnswer> {
    return podman(program, args, this.environment)
  }
}

/** At once, and nothing said of one that is gone. */
const REMOVE: readonly string[] = ['rm', '--force', '--ignore', '--time=0']

/** What has gone since it was looked at, or has become a link, cannot be closed: it will show as changed. */
function isThere(path: string): boolean {
  try {
    closeSync(openFolder(path))
    return true
  } catch (error) {
    if (error instanceof GrantRefusedError) return false
    throw error
  }
}
