import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../../bin/weaver.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts `weaver` as a user does, as a process of its own. */
export function startWeaver(
  home: string,
  args: readonly string[],
  nodeOptions: readonly string[] = []
): ChildProcessWithoutNullStreams {
  const env = { ...process.env, WEAVER_HOME: home }
  return spawn(process.execPath, [...nodeOptions, BIN, ...args], { env, stdio: 'pipe' })
}

export async function weaver(
  home: string,
  args: readonly string[],
  input: string | Uint8Array = ''
): Promise<Ended> {
  const child = startWeaver(home, args)
  child.stdin.on('error', () => undefined) // It may end without reading what it does not need.
  child.stdin.end(input)
  return ended(child)
}

/** The same, as the last words of another command line: `sh -c 'exec "$0" "$@" >/dev/full'`. */
export async function weaverUnder(
  home: string,
  [command, ...words]: readonly [string, ...string[]],
  args: readonly string[]
): Promise<Ended> {
  const env = { ...process.env, WEAVER_HOME: home }
  const child = spawn(command, [...words, process.execPath, BIN, ...args], { env, stdio: 'pipe' })
  child.stdin.end()
  return ended(child)
}

export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>()
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.once('close', (code, signal) => {
    resolve({ code, signal, stdout: textOf(stdout), stderr: textOf(stderr) })
  })
  return promise
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8')
}
