// Real kernels for tests: each a process of its own with a home of its own, started by the command as a
// user would, on loopback. Everything is ended by `close()`, by pid, whatever the test did.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../../../node/api/index.ts'
import type { ChainEntry } from '../../../node/api/index.ts'

const weaver = fileURLToPath(new URL('../../../bin/weaver.js', import.meta.url))
export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface KernelHandle {
  readonly name: string
  readonly home: string
  readonly client: ControlClient
}

export class Lab {
  readonly folder: string
  readonly #homes = new Set<string>()
  readonly #commands = new Set<ChildProcess>()
  readonly #prefixes = new Map<string, readonly string[]>()

  private constructor(folder: string) {
    this.folder = folder
  }

  static async open(): Promise<Lab> {
    return new Lab(await mkdtemp(join(tmpdir(), 'weaver-lab-')))
  }

  homeOf(name: string): string {
    return join(this.folder, name)
  }

  /** Starts the command; the caller talks to the child. */
  spawn(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {}
  ): ChildProcess {
    this.#homes.add(this.homeOf(name))
    const line = [...(this.#prefixes.get(name) ?? []), process.execPath, weaver, ...args]
    const child = spawn(line[0] ?? '', line.slice(1), {
      env: { ...process.env, WEAVER_HOME: this.homeOf(name), NO_COLOR: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe']
    })
    this.#commands.add(child)
    child.once('exit', () => this.#commands.delete(child))
    return child
  }

  /** From now on the commands of `name` run behind these words: `ip netns exec blue`, for one. */
  runBehind(name: string, words: readonly string[]): void {
    this.#prefixes.set(name, words)
  }

  /** Runs the command to its end. */
  async weaver(name: string, ...args: readonly string[]): Promise<CommandResult> {
    const child = this.spawn(name, args)
    child.stdin?.end()
    return await resultOf(child)
  }

  /** Runs a command that must succeed: where it does not, the test ends there, with what it said. */
  async done(name: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.weaver(name, ...args)
    assert.equal(code, 0, `weaver ${args.join(' ')}, of ${name}: ${stderr}${stdout}`)
    return stdout
  }

  /** Runs a command that must not succeed. @returns what it said of it */
  async denied(name: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.weaver(name, ...args)
    assert.notEqual(code, 0, `weaver ${args.join(' ')}, of ${name}, was not refused: ${stdout}`)
    return stderr
  }

  /** What the command prints of the chain, the newest 9,999 entries of what is asked for. */
  async log(name: string, ...query: readonly string[]): Promise<readonly ChainEntry[]> {
    const stdout = await this.done(name, 'chain', 'log', '-n', '9999', '--json', ...query)
    const lines = stdout.split('\n').filter((line) => line !== '')
    return lines.map((line): ChainEntry => JSON.parse(line))
  }

  async start(name: string, ...flags: readonly string[]): Promise<KernelHandle> {
    const listen = flags.includes('--listen') ? [] : ['--listen', LOOPBACK]
    const args = ['kernel', 'start', '--name', name, ...listen, ...flags]
    const { code, stderr, stdout } = await this.weaver(name, ...args)
    assert.equal(code, 0, `kernel ${name} starts: ${stderr}${stdout}`)
    return {
      name,
      home: this.homeOf(name),
      client: new ControlClient({ socketPath: join(this.homeOf(name), 'run', 'kernel.sock') })
    }
  }

  /** Two members that are connected. */
  async pair(): Promise<readonly [KernelHandle, KernelHandle]> {
    const laptop = await this.start('laptop')
    const server = await this.start(
      'server',
      '--gpu',
      '1:24GB',
      '--join',
      await this.invite('laptop')
    )
    return [laptop, server]
  }

  async invite(name: string): Promise<string> {
    const { stdout } = await this.weaver(name, 'mesh', 'invite', '--json')
    const { invite }: { invite: string } = JSON.parse(stdout)
    return invite
  }

  /** The secret key of a home, as a thief of the disk has it. */
  async seedOf(name: string): Promise<Uint8Array> {
    const text = await readFile(join(this.homeOf(name), 'identity.key'), 'utf8')
    return new Uint8Array(Buffer.from(text.trim(), 'hex'))
  }

  async pidOf(name: string): Promise<number> {
    const text = await readFile(join(this.homeOf(name), 'run', 'kernel.json'), 'utf8')
    const { pid }: { pid: number } = JSON.parse(text)
    return pid
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(name: string): Promise<void> {
    const pid = await this.pidOf(name)
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid))
  }

  /** Ends all of it. @throws where a kernel did not stop when it was told to; it is gone all the same */
  async close(): Promise<void> {
    const kernels = await Promise.all([...this.#homes].map(runningKernel))
    const stubborn = await Promise.all(kernels.flatMap((kernel) => kernel ?? []).map(stopped))
    for (const command of this.#commands) command.kill('SIGKILL')
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
    assert.deepEqual(stubborn.flat(), [], 'these kernels did not stop when they were told to')
  }
}

interface RunningKernel {
  readonly home: string
  readonly pid: number
}

/** Null where it never started, or has stopped already. */
async function runningKernel(home: string): Promise<RunningKernel | null> {
  const text = await readFile(join(home, 'run', 'kernel.json'), 'utf8').catch(() => null)
  if (text === null) return null
  const { pid }: { pid: number } = JSON.parse(text)
  return isAlive(pid) ? { home, pid } : null
}

/** Its home, where it had to be killed. */
async function stopped({ home, pid }: RunningKernel): Promise<readonly string[]> {
  signal(pid, 'SIGTERM')
  signal(pid, 'SIGCONT') // A test may have stopped it in its tracks.
  try {
    await until(() => !isAlive(pid))
    return []
  } catch {
    signal(pid, 'SIGKILL')
    await until(() => !isAlive(pid))
    return [home]
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is gone.
  }
}

export async function resultOf(child: ChildProcess): Promise<CommandResult> {
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', resolve)
  return { code: await promise, stdout, stderr }
}

/** Processes of this machine, contained ones too, whose command line begins with these words. */
export async function processesLike(
  words: string
): Promise<readonly { readonly pid: number; readonly command: string }[]> {
  const { stdout } = await resultOf(spawn('ps', ['-axww', '-o', 'pid=,state=,args=']))
  return stdout.split('\n').flatMap((line) => {
    const [, pid, state, command = ''] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
    return state?.startsWith('Z') === false && command.startsWith(words)
      ? [{ pid: Number(pid), command }]
      : []
  })
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** For what no event tells of: the state of another process, or of what another kernel knows. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  boundMs: number = 60_000
): Promise<void> {
  const end = performance.now() + boundMs
  while (!(await holds())) {
    assert(performance.now() < end, `waited ${boundMs} ms in vain for: ${String(holds)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Waits until `viewer` has the node, by its name or its id, for a member that is there. */
export async function untilAlive({ client }: KernelHandle, node: string): Promise<void> {
  await until(async () =>
    (await client.peers()).some(
      ({ name, nodeId, state }) => (name === node || nodeId === node) && state === 'alive'
    )
  )
}

/** Resident memory in bytes, as the operating system says. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

/** Hundredths of a second that all threads of a process have used, in user space and in the system. */
export async function cpuTicks(pid: number): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
