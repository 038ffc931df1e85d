// A fresh folder for each process that names none: it starts empty. A task's is gone when the task is over;
// an agent's stays for its next start, under this kernel and, where the agent comes back with it, the next.

import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AgentStore, ProcessHost, RunningProcess, SpawnRequest } from '../agents/index.ts'
import type { Logger } from '../core/index.ts'
import { metered } from './stream-garbage.ts'
import type { StreamMeter } from './stream-garbage.ts'

export interface TaskFoldersDeps {
  readonly processes: ProcessHost
  readonly streamMeter: StreamMeter
  readonly log: Logger
}

/** The same host, with `cwd: null` meaning such a folder. */
export function withTaskFolders(
  deps: TaskFoldersDeps,
  options: { readonly directory: string; readonly isKept: boolean }
): ProcessHost {
  const { processes } = deps
  return {
    ...(processes.holdOutput === undefined
      ? {}
      : { holdOutput: (pid) => processes.holdOutput?.(pid) ?? ((): void => undefined) }),
    spawn: async ({ io, ...rest }: SpawnRequest): Promise<RunningProcess> => {
      const request = { ...rest, io: io === null ? null : metered(io, deps.streamMeter) }
      if (request.cwd !== null) return await processes.spawn(request)
      const folder = join(options.directory, String(request.pid))
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const remove = (): void => {
        if (options.isKept) return
        rm(folder, { recursive: true, force: true }).catch((error: unknown) => {
          deps.log.warn('Cannot remove the folder of a task', { folder, error: String(error) })
        })
      }
      try {
        const process = await processes.spawn({ ...request, cwd: folder, isOwnFolder: true })
        void process.exited.then(remove)
        return process
      } catch (error) {
        remove()
        throw error
      }
    }
  }
}

/** Folders of what an earlier kernel ran, but for those of its agents that are `kept`. To be called before any starts. */
export async function clearTaskFolders(
  directory: string,
  kept: Pick<AgentStore, 'all'>
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const stays = new Set((await kept.all()).map(({ pid }) => String(pid)))
  const names = await readdir(directory)
  const gone = names.filter((name) => !stays.has(name))
  await Promise.all(gone.map((name) => rm(join(directory, name), { recursive: true, force: true })))
}
