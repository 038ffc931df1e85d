// `npm run demo`: two kernels on this machine, in temporary homes, do together what the README shows.
// Prints each command and what came of it, and leaves nothing running and nothing behind.

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { detectContainment } from '../node/containment/detect.ts'

const weaver = fileURLToPath(new URL('../bin/weaver.js', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

interface Step {
  /** What a reader would type, without the path of the command. */
  readonly shown: string
  readonly args: readonly string[]
  readonly home: string
  /** A command whose output becomes this one's input. */
  readonly input?: readonly [string, ...string[]]
  /** Interrupt it, as by Ctrl-C, once it has printed so many lines. */
  readonly linesMax?: number
}

function run({ shown, args, home, input, linesMax }: Step): Promise<string> {
  process.stdout.write(`\n$ ${shown}\n`)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const env = { ...process.env, WEAVER_HOME: home }
  const child = spawn(process.execPath, [weaver, ...args], {
    env,
    stdio: ['pipe', 'pipe', 'inherit']
  })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    process.stdout.write(text)
    const lines = printed.split('\n').length - 1
    if (linesMax !== undefined && lines >= linesMax) child.kill('SIGINT')
  })
  child.once('error', reject)
  child.once('close', (code) => {
    if (code === 0 || linesMax !== undefined) resolve(printed)
    else reject(new Error(`'${shown}' exited with ${code}`))
  })
  if (input === undefined) child.stdin.end()
  else
    spawn(input[0], input.slice(1), {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit']
    }).stdout.pipe(child.stdin)
  return promise
}

const detected = await detectContainment(process.platform, process.arch)
/** Where nothing can contain a process, one that is not contained is asked for, in so many words. */
const isBare = detected.name === null
/** Members may not start what is not contained: then all runs on the laptop itself. */
const where = isBare ? ['--on', 'laptop', '--containment', 'none'] : ['--gpu', '1']
const toolWhere = isBare ? where : ['--on', 'server']
const agentWhere = isBare ? where : ['--on', 'server']

async function demo(laptop: string, server: string): Promise<void> {
  if (detected.name === null) {
    process.stdout.write(
      `No process can be contained on this machine: ${detected.why}. To see the real thing: ` +
        `${detected.fix}\nThis demo goes on with --containment none, on the laptop's kernel alone.\n`
    )
  }
  const on = (home: string, args: readonly string[], shown: string): Promise<string> =>
    run({ shown, args, home })

  await on(
    laptop,
    ['kernel', 'start', '--name', 'laptop', '--listen', LOOPBACK],
    'weaver kernel start --name laptop'
  )
  const invite = lastLine(await on(laptop, ['mesh', 'invite'], 'weaver mesh invite'))
  await on(
    server,
    [
      'kernel',
      'start',
      '--name',
      'server',
      '--gpu',
      '1:24GB',
      '--listen',
      LOOPBACK,
      '--join',
      invite
    ],
    'WEAVER_HOME=... weaver kernel start --name server --gpu 1:24GB --join <the line above>'
  )
  await on(laptop, ['mesh', 'peers'], 'weaver mesh peers')
  const hello = 'echo "hello from $WEAVER_NODE, task $WEAVER_TASK_ID"'
  await on(
    laptop,
    ['run', ...where, '--', 'sh', '-c', hello],
    `weaver run ${where.join(' ')} -- sh -c '${hello}'`
  )
  const count = 'tar xf - && find . -name "*.ts" | wc -l'
  await run({
    shown: `tar cf - core | weaver run ${where.join(' ')} -- sh -c '${count}'`,
    args: ['run', ...where, '--', 'sh', '-c', count],
    home: laptop,
    input: ['tar', 'cf', '-', 'core']
  })
}

/** An agent, a tool, and what both machines know of it all. */
async function tour(laptop: string): Promise<void> {
  const on = (home: string, args: readonly string[], shown: string): Promise<string> =>
    run({ shown, args, home })
  const ticker = 'while date; do sleep 1; done'
  await on(
    laptop,
    [
      'agent',
      'spawn',
      '--runtime',
      'custom',
      '--name',
      'ticker',
      ...agentWhere,
      '--',
      'sh',
      '-c',
      ticker
    ],
    `weaver agent spawn --runtime custom --name ticker ${agentWhere.join(' ')} -- sh -c '${ticker}'`
  )
  await run({
    shown: 'weaver agent attach ticker          # Ctrl-C after two lines',
    args: ['agent', 'attach', 'ticker'],
    home: laptop,
    linesMax: 2
  })
  const call = '{"algorithm":"shake256","text":"hello"}'
  await on(
    laptop,
    ['tool', 'call', 'hash', call, ...toolWhere],
    `weaver tool call hash '${call}' ${toolWhere.join(' ')}`
  )
  await on(laptop, ['kernel', 'ps', '--all'], 'weaver kernel ps --all')
  await on(laptop, ['chain', 'status'], 'weaver chain status')
  await on(laptop, ['chain', 'verify'], 'weaver chain verify')
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

const folder = await mkdtemp(join(tmpdir(), 'weaver-demo-'))
const homes = [join(folder, 'laptop'), join(folder, 'server')] as const
try {
  await demo(...homes)
  await tour(homes[0])
  process.stdout.write(
    isBare
      ? '\nOne task and one agent ran uncontained on the laptop; both lanes verify.\n'
      : '\nOne task, one agent and one tool ran on another node; both lanes verify.\n'
  )
} catch (error) {
  process.stderr.write(`\ndemo: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  for (const home of homes) {
    await run({ shown: 'weaver kernel stop', args: ['kernel', 'stop'], home }).catch(
      () => undefined
    )
  }
  await rm(folder, { recursive: true, force: true })
}
