// The kernel's own process. Its contract with whoever starts it: options are arguments, a secret invite
// comes on standard input, and on descriptor 3 it writes one JSON line, `{"ready": KernelStatus}` or
// `{"error": {code, message, hint}}`, and closes it. Then it runs until it is told to stop, or with
// `--lifeline` until descriptor 4 ends.

import { closeSync, fstatSync, writeSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { Socket } from 'node:net'
import process from 'node:process'
import { WeaverError } from '../core/index.ts'
import { closeInherited } from './inherited-files.ts'
import { OWN_VARIABLES } from './api/own-variables.ts'

const READY_FD = 3
const LIFELINE_FD = 4
/** Standard input holds one invite; more is a mistake. */
const INVITE_BYTES_MAX = 64 * 1024

enableCompileCache()

async function main(): Promise<void> {
  closeInherited(LIFELINE_FD)
  forgetOwnVariables(process.env)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(signal))
  process.on('SIGHUP', () => undefined) // The terminal of whoever started it may go; the kernel stays.
  try {
    const { parseStartArguments } = await import('./start-arguments.ts')
    const { home, flags, readsInvite, hasLifeline, repair } = parseStartArguments(
      process.argv.slice(2),
      process.env
    )
    if (hasLifeline) watchLifeline(() => stop.abort('lifeline'))
    const invite = readsInvite ? await readInvite() : null
    const { openNode } = await import('./compose.ts')
    const node = await openNode({ home, flags, invite, repair, signal: stop.signal })
    say({ ready: node.status() })
    await node.stopped
  } catch (error) {
    say({ error: errorBody(error) })
    process.exitCode = 1
  }
}

/** What whoever started us has set for this process alone, and not for its children. */
function forgetOwnVariables(env: NodeJS.ProcessEnv): void {
  for (const name of env[OWN_VARIABLES]?.split(' ') ?? []) Reflect.deleteProperty(env, name)
  Reflect.deleteProperty(env, OWN_VARIABLES)
}

function watchLifeline(onEnd: () => void): void {
  const lifeline = new Socket({ fd: LIFELINE_FD, readable: true, writable: false })
  lifeline.once('close', onEnd)
  lifeline.on('error', onEnd)
  lifeline.resume()
}

async function readInvite(): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > INVITE_BYTES_MAX) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8').trim()
}

interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly hint: string | null
}

function errorBody(error: unknown): ErrorBody {
  if (!(error instanceof WeaverError)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { code: 'NODE_START_FAILED', message: `Cannot start the kernel: ${message}`, hint: null }
  }
  const hint = error.detail['hint']
  return { code: error.code, message: error.message, hint: typeof hint === 'string' ? hint : null }
}

/** Once. Nobody listens where the kernel is started by hand: then the line goes to standard error. */
function say(line: object): void {
  const text = `${JSON.stringify(line)}\n`
  try {
    fstatSync(READY_FD)
    writeSync(READY_FD, text)
    closeSync(READY_FD)
  } catch {
    process.stderr.write(text)
  }
}

await main()
// What is still open here is a leak, and must not keep a stopped kernel's process alive.
process.exit()
