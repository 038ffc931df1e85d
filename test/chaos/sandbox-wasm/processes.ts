import { readdir, readFile } from 'node:fs/promises'

/** The ids of the living children of a process, by Linux's /proc. */
export async function childrenOf(parent: number): Promise<readonly number[]> {
  const children: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const found = await status(Number(name))
    if (found.isRunning && found.parent === parent) children.push(Number(name))
  }
  return children
}

/** Whether it runs: one that is dead and that nobody has waited for does not. */
export async function isRunning(pid: number): Promise<boolean> {
  return (await status(pid)).isRunning
}

async function status(pid: number): Promise<{ isRunning: boolean; parent: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // `pid (name) state parent`: the name may contain anything, a closing bracket too.
  const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { isRunning: state !== '' && state !== 'Z', parent: Number(parent) }
}
