// What `run` and `agent spawn` say about the confinement of their process.

import type { SandboxSpec } from '../node/api/index.ts'
import { checkEachOnce, wholeNumber } from './args.ts'
import type { Args, Option } from './command.ts'
import { usageError } from './errors.ts'

export const SANDBOX_OPTIONS: Readonly<Record<string, Option>> = {
  workspace: {
    value: 'DIR',
    help: 'Work in this folder, and let it be written (on the node that runs it)'
  },
  grant: {
    value: 'GRANT',
    isMultiple: true,
    help: 'What it may use beside its own folder: fs.read:/path, fs.write:/path, env:NAME, ...'
  },
  limit: {
    value: 'WHAT=HOW',
    isMultiple: true,
    help: 'What it may use at most: mem=1GB, cpu=2 or pids=100'
  },
  role: {
    value: 'ROLE',
    help: 'What it acts as when it asks its kernel for something (default: untrusted)'
  },
  image: {
    value: 'IMAGE',
    help: 'Run it in a container of this image, by podman on the node that runs it, which must have it'
  },
  containment: {
    value: 'os|none',
    help: 'none: an ordinary process of the kernel’s user, where policy allows that (default: os)'
  }
}

export interface Confinement {
  readonly sandbox: SandboxSpec
  /** Null: a fresh folder of its own. */
  readonly cwd: string | null
}

export async function confinementOf(args: Args): Promise<Confinement> {
  const containment = args.oneOf('containment', ['os', 'none'], 'os')
  const workspace = args.text('workspace')
  const cwd = workspace === null ? null : await absolute(workspace)
  const grants = [...args.texts('grant'), ...(cwd === null ? [] : [`fs.write:${cwd}`])]
  const limits = { memoryBytes: null, cpus: null, pids: null }
  const wanted = args.texts('limit')
  checkEachOnce(
    '--limit',
    wanted.map((text) => [text.split('=')[0] ?? '', text])
  )
  for (const text of wanted) Object.assign(limits, await limitOf(text))
  const role = args.text('role')
  const image = args.text('image')
  if (image !== null && containment === 'none') {
    throw usageError('--image and --containment none exclude each other')
  }
  const named = { ...(role === null ? {} : { role }), ...(image === null ? {} : { image }) }
  return { sandbox: { containment, grants, limits, ...named }, cwd }
}

/** Links are followed here, where whoever asks can see them; the kernel follows none. */
async function absolute(path: string): Promise<string> {
  const [paths, files] = await Promise.all([import('node:path'), import('node:fs')])
  try {
    return files.realpathSync(path)
  } catch {
    return paths.resolve(path) // It may be there on the node that runs the command.
  }
}

async function limitOf(
  text: string
): Promise<Partial<Record<keyof SandboxSpec['limits'], number>>> {
  const equals = text.indexOf('=')
  const [what, how] = [text.slice(0, equals), text.slice(equals + 1)]
  const where = `--limit '${text}'`
  const { LIMIT_RANGES } = await import('../core/index.ts')
  const { memoryBytes, cpus, pids } = LIMIT_RANGES
  switch (what) {
    case 'mem':
      return { memoryBytes: (await import('./size.ts')).sizeIn(where, how, memoryBytes) }
    case 'cpu': {
      const amount = /^\d+(\.\d+)?$/.test(how) ? Number(how) : Number.NaN
      if (amount >= cpus[0] && amount <= cpus[1]) return { cpus: amount }
      throw usageError(`${where} is not a number of CPUs from ${cpus[0]} to ${cpus[1]}`)
    }
    case 'pids':
      return { pids: wholeNumber('--limit', how, pids, text) }
    default:
      throw usageError(`${where} is not one of mem=1GB, cpu=2 and pids=100`)
  }
}
