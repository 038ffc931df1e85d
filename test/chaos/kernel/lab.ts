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
    return spawn(line[0] ?? '', line.slice(1), {
      env: { ...process.env, WEAVER_HOME: this.homeOf(name), NO_COLOR: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe']
    })
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

  async close(): Promise<void> {
    for (const home of this.#homes) {
      try {
        const { pid }: { pid: number } = JSON.parse(
          await readFile(join(home, 'run', 'kernel.json'), 'utf8')
        )
        if (isAlive(pid)) process.kill(pid, 'SIGTERM')
        await until(() => !isAlive(pid))
      } catch {
        // It never started, or has stopped already.
      }
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
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

/** Resident memory in bytes, as the operating system says. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}
