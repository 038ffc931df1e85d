// Goal: the README's quick start works as typed.
// Method: its lines are read from README.md and given to a shell, one after the other, in a temporary
// HOME. Three things a reader does by hand are done here: `npm ci` has been run, the invite is pasted,
// and Ctrl-C ends the streaming line after its first output. At the end the kernel is started
// again, and the documents that `--json` prints are compared with what docs/cli.md promises of them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { detectContainment } from '../../node/containment/detect.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** So that the lists of processes and agents have something in them. */
const AGENT = 'npx weaver agent spawn --runtime custom --name sleeper -- sleep 600'
const INVITE_PLACEHOLDER = '<the line that invite printed>'

interface Result {
  readonly line: string
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one line by `sh`; with `untilOutput` it is interrupted, as by Ctrl-C, after its first output. */
function runLine(line: string, home: string, untilOutput = false): Promise<Result> {
  // Port 0 of the listening address keeps the two kernels of this test away from any other kernel here.
  const env = { ...process.env, HOME: home, WEAVER_LISTEN: '/ip4/127.0.0.1/tcp/0' }
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const shell = spawn('sh', ['-c', line], { cwd: root, env, detached: true })
  let stdout = ''
  let stderr = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (untilOutput && shell.pid !== undefined) process.kill(-shell.pid, 'SIGINT')
  })
  shell.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  shell.once('error', reject)
  shell.once('close', (code) => resolve({ line, code, stdout, stderr }))
  shell.stdin.end()
  return promise
}

async function quickStartLines(): Promise<string[]> {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const block = /<!-- quick-start -->\s*\n```sh\n([\s\S]*?)```/.exec(readme)?.[1]
  assert(block !== undefined, 'README.md has a quick-start block')
  return block.trim().split('\n')
}

interface Shape {
  readonly command: string
  readonly fields: readonly string[]
}

/** The commands of docs/cli.md's list of documents, each with the fields that it promises. */
async function promisedShapes(): Promise<readonly Shape[]> {
  const page = await readFile(join(root, 'docs/cli.md'), 'utf8')
  return [...page.matchAll(/^- (`[^:]+`): .*?`\{(.+?)\}`/gm)].flatMap(([, commands, document]) => {
    let flat = document ?? ''
    while (/[{[]/.test(flat)) flat = flat.replace(/[{[][^{}[\]]*[}\]]/, '')
    const fields = flat.split(',').map((field) => (field.split(':')[0] ?? '').trim())
    return [...(commands ?? '').matchAll(/`([^`]+)`/g)].map(([, command]) => ({
      command: command ?? '',
      fields
    }))
  })
}

/** The first JSON document of an output: of an array its first member, of a stream its first line. */
function firstDocument(stdout: string): Readonly<Record<string, unknown>> {
  const isStream = /^\{.*\}\n/.test(stdout)
  const parsed: unknown = JSON.parse(isStream ? (stdout.split('\n')[0] ?? '') : stdout)
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed
  assert(typeof first === 'object' && first !== null, stdout)
  return { ...first }
}

describe('README quick start', function () {
  this.timeout(120_000)
  let home = ''
  const results: Result[] = []
  const outputOf = (part: string): string => {
    const result = results.find(({ line }) => line.includes(part))
    assert(result !== undefined, `the quick start has a line with '${part}'`)
    return result.stdout
  }

  before('every line is run in order', async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name === null) {
      process.stderr.write(`skipped: ${detected.why}; ${detected.fix}\n`)
      this.skip()
    }
    home = await mkdtemp(join(tmpdir(), 'weaver-quick-'))
    let invite = ''
    for (const line of await quickStartLines()) {
      if (line === 'npm ci') continue
      const isStream = line.includes('agent attach')
      const result = await runLine(line.replace(INVITE_PLACEHOLDER, `'${invite}'`), home, isStream)
      results.push(result)
      if (line.includes('mesh invite')) invite = result.stdout.trim().split('\n').at(-1) ?? ''
      assert(
        result.code === 0 || (isStream && result.code !== 1),
        `${line}\nexited with ${result.code}\n${result.stdout}${result.stderr}`
      )
    }
  })

  after(async () => {
    await runLine('WEAVER_HOME=$HOME/.weaver-server npx weaver kernel stop', home)
    await runLine('npx weaver kernel stop', home)
    await rm(home, { recursive: true, force: true })
  })

  it('mesh peers shows both machines', () => {
    assert.match(outputOf('mesh peers'), /laptop[\s\S]*server/)
  })

  it('run prints what the command printed on the server, with its task id', () => {
    assert.match(outputOf('hello from'), /^hello from \S+, task [0-9a-z]{16}$/m)
  })

  it('a tree streamed in through stdin is counted by the remote command', () => {
    assert(Number(outputOf('git archive').trim()) > 50)
  })

  it('attach shows the ticker’s dates', () => {
    assert.match(outputOf('agent attach'), /\d\d:\d\d:\d\d/)
  })

  it('the hash tool answers with SHAKE-256 of hello', () => {
    assert.match(
      outputOf('tool call hash'),
      /1234075ae4a1e77316cf2d8000974581a343b9ebbca7e3d1db83394c30f22162/
    )
  })

  it('ps --all shows the ticker on the server', () => {
    assert.match(outputOf('kernel ps --all'), /server\s+ticker/)
  })

  it('the chain has both lanes and verifies', () => {
    assert.match(outputOf('chain status'), /laptop[\s\S]*server/)
    assert.match(outputOf('chain verify'), /ok/)
  })

  it('prints the JSON documents that docs/cli.md promises', async () => {
    const shapes = await promisedShapes()
    assert.equal(shapes[0]?.command, 'kernel start', 'the page lists documents, this one first')
    let taskId = ''
    const endings: Readonly<Record<string, () => string>> = {
      'run --detach': () => ' -- true',
      'mesh label': () => ' server',
      'task show': () => ` ${taskId}`,
      'task wait': () => ` ${taskId}`,
      'tool call': () => ` hash '{"algorithm":"shake256","text":"hello"}'`,
      verify: () => ' $HOME/all.weft'
    }
    for (const { command, fields } of shapes) {
      if (command === 'verify') await runLine('npx weaver chain export -o $HOME/all.weft', home)
      const line = `npx weaver ${command} --json${endings[command]?.() ?? ''}`
      const { stdout, stderr } = await runLine(line, home)
      const document = firstDocument(stdout)
      if (command === 'kernel start') await runLine(AGENT, home)
      if (command === 'run --detach') taskId = String(document['taskId'])
      const known = Object.keys(document)
      const absent = fields.filter((field) => !known.includes(field))
      assert.deepEqual(absent, [], `${line} lacks fields that docs/cli.md promises; ${stderr}`)
    }
  })
})
