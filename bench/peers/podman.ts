// `podman run` of a contained `true`: an image of this machine's own `true`, in a store of its own that goes with it.

import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { librariesListed } from '../../node/containment/workers.ts'

const ran = promisify(execFile)
const IMAGE = 'localhost/weaver-bench-true'
/** What any use of it needs that is to be as closed as ours. */
const CLOSED = [
  '--rm --pull never --network none --read-only --cap-drop all',
  '--security-opt no-new-privileges --pids-limit 4096'
].flatMap((line) => line.split(' '))
/** Debian's crun does not run beside both versions of control groups, and may not raise limits everywhere. */
const WAYS: readonly (readonly string[])[] = [
  [],
  ['--runtime', 'runc', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096']
]

export interface Podman {
  readonly run: () => Promise<void>
  readonly close: () => void
}

/** Null, and why, where it is not there or cannot run. */
export async function openPodman(): Promise<Podman | string> {
  const folder = mkdtempSync(join(tmpdir(), 'weaver-podman-'))
  const close = (): void => {
    execFileSync('podman', [...storeOf(folder), 'rmi', '--force', IMAGE], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const listed = await ran('true', [], {
      env: { LD_TRACE_LOADED_OBJECTS: '1', PATH: '/usr/bin' }
    })
    const files = ['/usr/bin/true', ...librariesListed(listed.stdout)]
    const tar = join(folder, 'image.tar')
    await ran('tar', ['--dereference', '-cPf', tar, ...files])
    await ran('podman', [...storeOf(folder), 'import', tar, IMAGE])
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    return String(error).split('\n')[0] ?? ''
  }
  let why = ''
  for (const [first = '', second = '', ...way] of WAYS) {
    const runtime = first === '' ? [] : [first, second]
    const args = [...storeOf(folder), ...runtime, 'run', ...CLOSED, ...way, IMAGE, '/usr/bin/true']
    const run = async (): Promise<void> => void (await ran('podman', args))
    try {
      await run()
      return { run, close }
    } catch (error) {
      why = String(error).split('\n').at(-2) ?? String(error)
    }
  }
  close()
  return why
}

function storeOf(folder: string): readonly string[] {
  const places = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')]
  return [...places, '--storage-driver', 'vfs']
}
