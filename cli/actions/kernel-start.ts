import type { KernelStatus } from '../../node/api/index.ts'
import type { Args, Context, Runner } from '../command.ts'
import { CliError, EXIT } from '../errors.ts'
import { startDaemon } from '../daemon.ts'
import type { Daemon } from '../daemon.ts'
import { details } from './kernel-status.ts'

export const start: Runner = async (context, args) => {
  const given = args.text('join')
  const invite = given === '-' ? await wholeStdin() : given
  const isForeground = args.flag('foreground')
  // Here, where it has the name that was given; the kernel reads it again.
  if (args.text('blob-budget') !== null) (await import('../size.ts')).sizeOf(args, 'blob-budget')
  const daemon = startDaemon({ home: context.home, flags: flagsOf(args), invite, isForeground })
  await report(context, daemon, invite !== null)
  return isForeground ? waitFor(daemon) : EXIT.done
}

/** Waits for the kernel, tells of it, and lets it go its own way. */
export async function report(
  { output }: Context,
  { child, ready }: Daemon,
  hasJoined: boolean
): Promise<void> {
  const { withProgress } = await import('../clock.ts')
  // Until it is ready the kernel belongs to this command: who gives up on one gives up on both.
  const giveUp = (signal: NodeJS.Signals): void => {
    child.kill(signal)
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.on('SIGINT', giveUp)
  process.on('SIGTERM', giveUp)
  try {
    const status = await withProgress(() => output.note('weaver: starting the kernel ...'), ready)
    await output.document(status, (it) => `${startedText(it)}\n`)
    const next = hasJoined || status.mesh.members > 1 ? 'weaver mesh peers' : 'weaver mesh invite'
    if (!output.isJson) output.note(`next: ${next}`)
  } finally {
    process.off('SIGINT', giveUp)
    process.off('SIGTERM', giveUp)
    child.unref()
  }
}

function startedText(status: KernelStatus): string {
  return `kernel ${status.name} is ready (pid ${status.pid})\n${details(status)}`
}

function flagsOf(args: Args): readonly string[] {
  const single = ['name', 'gpu', 'http', 'blob-budget'].flatMap((name) => {
    const value = args.text(name)
    return value === null ? [] : [`--${name}=${value}`]
  })
  const multiple = ['listen', 'label'].flatMap((name) =>
    args.texts(name).map((value) => `--${name}=${value}`)
  )
  const flags = ['mdns', 'no-mdns', 'upnp', 'no-upnp'].flatMap((name) =>
    args.flag(name) ? [`--${name}`] : []
  )
  return [...single, ...multiple, ...flags]
}

/** A kernel in the foreground gets the terminal's signals itself; others are passed on. */
async function waitFor({ child }: Daemon): Promise<number> {
  child.ref()
  const { promise, resolve } = Promise.withResolvers<number>()
  child.once('exit', (code, signal) =>
    resolve(signal === null ? (code ?? EXIT.failed) : EXIT.failed)
  )
  if (child.exitCode !== null) return child.exitCode
  process.on('SIGINT', () => undefined)
  for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name))
  return promise
}

async function wholeStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) {
    if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8').trim()
  if (text === '') throw new CliError('CLI_USAGE', '--join - found no invite on stdin')
  return text
}
