// A fresh folder for each process that names none: it starts empty. A task's is gone when the task is over;
// an agent's stays for its next start, until the kernel ends.

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProcessHost, RunningProcess, SpawnRequest } from '../agents/index.ts'
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

/** Folders of tasks that an earlier kernel had no time to remove. To be called before any task starts. */
export async function clearTaskFolders(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
}
