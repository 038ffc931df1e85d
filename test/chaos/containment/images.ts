// An image of this machine's own shell and a few programs, in a store of its own, made without any registry.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { librariesListed } from '../../../node/containment/workers.ts'

export const IMAGE = 'localhost/weaver-test:1'
const PROGRAMS = ['sh', 'sleep', 'cat', 'env', 'ls']

/** From now on podman, also of this process's kernels, has the store in `folder` alone. */
export function useStore(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'storage.conf')
  const places = `graphroot = "${join(folder, 'store')}"\nrunroot = "${join(folder, 'run')}"`
  writeFileSync(path, `[storage]\ndriver = "vfs"\n${places}\n`)
  process.env['CONTAINERS_STORAGE_CONF'] = path
}

export function podman(...args: readonly string[]): string {
  return execFileSync('podman', [...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Its entry point fails whatever it is given: a start that used it would be seen. */
export function makeImage(folder: string): void {
  const files = PROGRAMS.flatMap((name) => {
    const program = `/usr/bin/${name}`
    const env = { LD_TRACE_LOADED_OBJECTS: '1', PATH: '/usr/bin' }
    const args = name === 'sh' ? ['-c', ':'] : []
    return [program, ...librariesListed(execFileSync(program, args, { env, encoding: 'utf8' }))]
  })
  const tar = join(folder, 'image.tar')
  execFileSync('tar', ['--dereference', '-cPf', tar, ...new Set(files)])
  const changes = ['--change', 'ENTRYPOINT ["/usr/bin/false"]', '--change', 'ENV OF_IMAGE=yes']
  podman('import', ...changes, tar, IMAGE)
}
