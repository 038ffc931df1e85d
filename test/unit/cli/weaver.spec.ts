// Goal: what scripts rely on, seen from outside: exit codes, stdout and stderr of the real command.
// Method: bin/weaver.js as a child process, against the real server over a fake kernel.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WeaverError } from '../../../core/index.ts'
import {
  ACT,
  ENTRY,
  LABELS,
  PEER,
  PENDING,
  STATUS,
  TASK,
  TASK_ID
} from '../../doubles/kernel-service.ts'
import { AGENT, ROW } from '../../doubles/rows.ts'
import { startFixture } from '../node/http/fixture.ts'
import type { Fixture } from '../node/http/fixture.ts'
import { ended, startWeaver, weaver } from './weaver.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await startFixture()
})
afterEach(() => fixture.stop())

const json = (text: string): unknown => JSON.parse(text)

describe('weaver --json', () => {
  const documents: readonly (readonly [args: string, check: (value: unknown) => void])[] = [
    ['kernel status', (value) => assert.deepEqual(value, STATUS)],
    ['kernel ps', (value) => assert.deepEqual(value, [ROW])],
    ['kernel ps --all', (value) => assert(Array.isArray(value) && value.length === 2)],
    ['mesh ping server', (value) => assert.partialDeepStrictEqual(value, { path: 'lan' })],
    ['mesh netcheck', (value) => assert.partialDeepStrictEqual(value, { multicast: true })],
    ['mesh peers', (value) => assert(Array.isArray(value) && value.length === 2)],
    ['mesh status', (value) => assert.partialDeepStrictEqual(value, { name: 'laptop' })],
    [
      'mesh invite',
      (value) => assert.partialDeepStrictEqual(value, { invite: 'weft1abc', uses: 1 })
    ],
    ['mesh join weft1abc', (value) => assert.partialDeepStrictEqual(value, { name: 'laptop' })],
    ['mesh evict desk', (value) => assert.deepEqual(value, ACT)],
    ['mesh role desk admin', (value) => assert.deepEqual(value, ACT)],
    ['mesh label server', (value) => assert.deepEqual(value, LABELS)],
    ['mesh label server tier=fast site-', (value) => assert.deepEqual(value, LABELS)],
    ['mesh signatures 2', (value) => assert.deepEqual(value, ACT)],
    ['mesh pending', (value) => assert.deepEqual(value, [PENDING])],
    ['mesh approve', (value) => assert.deepEqual(value, [PENDING])],
    ['mesh leave --force', (value) => assert.deepEqual(value, ACT)],
    ['node show', (value) => assert.partialDeepStrictEqual(value, PEER)],
    ['run --detach -- true', (value) => assert.deepEqual(value, { taskId: TASK_ID })],
    ['task list', (value) => assert(Array.isArray(value) && value.length === 2)],
    [`task show ${TASK_ID}`, (value) => assert.deepEqual(value, TASK)],
    [`task wait ${TASK_ID}`, (value) => assert.deepEqual(value, TASK)],
    [
      `task cancel ${TASK_ID}`,
      (value) => assert.partialDeepStrictEqual(value, { state: 'running' })
    ],
    ['agent list', (value) => assert.deepEqual(value, [AGENT])],
    ['agent inspect ticker', (value) => assert.deepEqual(value, AGENT)],
    ['agent stop ticker', (value) => assert.partialDeepStrictEqual(value, { state: 'exited' })],
    ['agent restart ticker', (value) => assert.partialDeepStrictEqual(value, { restarts: 2 })],
    ['agent runtimes', (value) => assert(Array.isArray(value) && value.length === 1)],
    [
      'agent spawn --runtime custom --name t -- date',
      (value) => assert.partialDeepStrictEqual(value, { name: 't', state: 'starting' })
    ],
    ['secrets list', (value) => assert.deepEqual(value, [{ name: 'API_KEY', setAt: 0 }])],
    ['secrets remove A', (value) => assert.deepEqual(value, { name: 'A', removed: true })],
    ['tool list', (value) => assert(Array.isArray(value) && value.length === 1)],
    ['tool inspect hash', (value) => assert.partialDeepStrictEqual(value, { name: 'hash' })],
    ['tool call hash {}', (value) => assert.partialDeepStrictEqual(value, { ok: true })],
    ['chain status', (value) => assert.partialDeepStrictEqual(value, { mesh: STATUS.mesh.id })],
    ['chain verify', (value) => assert.partialDeepStrictEqual(value, { ok: true, blocks: 48 })],
    [`chain show ${ENTRY.entry}`, (value) => assert.deepEqual(value, ENTRY)],
    ['version', (value) => assert.partialDeepStrictEqual(value, { node: process.versions.node })]
  ]
  for (const [args, check] of documents) {
    it(`prints one document and nothing else: ${args}`, async () => {
      // Before a wrapped command: behind it the option would be the command's.
      const words = args.split(' ')
      const at = words.includes('--') ? words.indexOf('--') : words.length
      const { code, stdout, stderr } = await weaver(fixture.home, words.toSpliced(at, 0, '--json'))
      assert.equal(code, 0, stderr)
      check(json(stdout))
      assert.equal(stderr, '')
    })
  }

  const streams: readonly (readonly [args: string, items: number])[] = [
    ['kernel logs -n 3', 3],
    ['kernel logs --process ticker', 3],
    ['chain log -n 2', 2],
    [`task logs ${TASK_ID}`, 3]
  ]
  for (const [args, items] of streams) {
    it(`prints one object a line: ${args}`, async () => {
      const { code, stdout } = await weaver(fixture.home, [...args.split(' '), '--json'])
      assert.equal(code, 0)
      const lines = stdout.trimEnd().split('\n')
      assert.equal(lines.length, items)
      for (const line of lines) assert.equal(typeof json(line), 'object')
    })
  }

  it('prints an error as a document on stdout and as one line on stderr', async () => {
    const { code, stdout, stderr } = await weaver(fixture.home, ['task', 'show', 'nope', '--json'])
    assert.equal(code, 1)
    assert.deepEqual(json(stdout), {
      error: {
        code: 'TASK_NOT_FOUND',
        message: "Cannot find task 'nope'",
        hint: 'see what there is'
      }
    })
    assert.equal(stderr, "weaver: Cannot find task 'nope'; see what there is\n")
  })
})

describe('weaver for people', () => {
  it('prints an aligned table without colour into a pipe', async () => {
    const { stdout } = await weaver(fixture.home, ['kernel', 'ps', '--all'])
    const lines = stdout.trimEnd().split('\n')
    assert.match(lines[0] ?? '', /^PID +NODE +NAME +KIND +STATE +CONTAINED +CPU +MEMORY +AGE$/)
    assert.equal(lines.length, 3)
    assert.equal(new Set(lines.map((line) => line.length)).size, 1)
    assert(!stdout.includes('\u001B'))
  })

  it('prints the invite alone on stdout, and what to do with it on stderr', async () => {
    const { stdout, stderr } = await weaver(fixture.home, ['mesh', 'invite', '--ttl', '4h'])
    assert.equal(stdout, 'weft1abc\n')
    assert.match(stderr, /weaver kernel start --join/)
    const request = { ttlMs: 14_400_000, uses: 1, role: 'member' }
    assert.deepEqual(fixture.service.calls, [['invite', request]])
  })

  it('sends a process’s stdout to stdout and its stderr to stderr', async () => {
    const { stdout, stderr } = await weaver(fixture.home, ['kernel', 'logs', '--process', 'ticker'])
    assert.equal(stdout, 'one\nthree\n')
    assert.equal(stderr, 'two\n')
  })

  it('shows where each label of a node comes from, and what the node has not heard yet', async () => {
    const { stdout } = await weaver(fixture.home, ['mesh', 'label', 'server'])
    assert.deepEqual(stdout.trimEnd().split(/ *\n/), [
      'LABEL       FROM                STATE',
      'site=attic  mesh (start: home)  in force',
      'tier=fast   mesh                comes when server hears of it',
      'zone=a      start               in force'
    ])
    assert.deepEqual(fixture.service.calls, [['nodeLabels', 'server']])
  })

  it('gives labels as they are written, and takes away those with a dash behind them', async () => {
    const words = ['server', 'tier=fast', 'a-b=', 'site-', 'x--', 'eq=a=b']
    const { code, stderr } = await weaver(fixture.home, ['mesh', 'label', ...words])
    assert.equal(code, 0, stderr)
    const labels = { tier: 'fast', 'a-b': '', eq: 'a=b' }
    const change = { labels, removed: ['site', 'x-'] }
    assert.deepEqual(fixture.service.calls, [['labelNode', 'server', change]])
  })

  it('refuses a word that neither sets a label nor takes one away, and changes nothing', async () => {
    for (const word of ['tier', '=fast', '-']) {
      const { code, stderr } = await weaver(fixture.home, ['mesh', 'label', 'server', word])
      assert.equal(code, 2)
      assert.match(stderr, /cannot read '.*': write KEY=VALUE to set a label, KEY- to take it away/)
    }
    assert.deepEqual(fixture.service.calls, [])
  })

  it('refuses a key that is said twice, by its name, and changes nothing', async () => {
    const twice: readonly (readonly string[])[] = [
      ['tier=fast', 'tier=slow'],
      ['tier=fast', 'site=a', 'tier=fast'],
      ['tier=fast', 'tier-'],
      ['tier-', 'tier=fast'],
      ['tier-', 'tier-']
    ]
    for (const words of twice) {
      const { code, stderr } = await weaver(fixture.home, ['mesh', 'label', 'server', ...words])
      const [first, last] = [words[0] ?? '', words.at(-1) ?? '']
      assert.equal(code, 2, words.join(' '))
      assert(stderr.includes(`mesh label has 'tier' twice, in '${first}' and '${last}'`), stderr)
    }
    for (const [option, key, first, last] of [
      ['--label', 'tier', 'tier=fast', 'tier=slow'],
      ['--limit', 'mem', 'mem=1GB', 'mem=2GB']
    ] as const) {
      const run = ['run', option, first, option, last, '--', 'true']
      const { code, stderr } = await weaver(fixture.home, run)
      assert.equal(code, 125)
      assert(stderr.includes(`${option} has '${key}' twice, in '${first}' and '${last}'`), stderr)
    }
    assert.deepEqual(fixture.service.calls, [])
  })

  it('shows with the answer of a check what was asked, also where a word came too early', async () => {
    const check = ['policy', 'check', '--principal', 'agent:a', '--', 'rm', '-rf', 'a b']
    const meant = await weaver(fixture.home, check)
    assert.match(meant.stdout, /^principal +agent:a\naction +exec rm -rf 'a b'\ndecision +deny\n/)
    const slip = ['policy', 'check', 'agent:a', '--gpu', '1', '--', 'true']
    const { stdout } = await weaver(fixture.home, slip)
    assert.match(stdout, /^principal +user:local\naction +exec agent:a --gpu 1 -- true\n/)
  })

  it('names the lane, the height and the entry of what verify found, and exits 1', async () => {
    fixture.service.chainReport = {
      ...fixture.service.chainReport,
      ok: false,
      problems: [
        { lane: 'server', height: 4, entry: '4.1@x', code: 'CHAIN_BAD_HASH', message: 'Changed' }
      ]
    }
    const { code, stdout } = await weaver(fixture.home, ['chain', 'verify'])
    assert.equal(code, 1)
    assert.match(stdout, /^NOT OK: .*\n {2}lane server, height 4, entry 4\.1@x: Changed/)
  })

  it('exits 1 when a tool fails, and says why', async () => {
    const { code, stderr } = await weaver(fixture.home, ['tool', 'call', 'bad', '{}'])
    assert.equal(code, 1)
    assert.match(stderr, /tool bad failed: The tool trapped/)
  })

  it('reads a tool’s input from stdin', async () => {
    const { code } = await weaver(fixture.home, ['tool', 'call', 'hash', '-'], '{"text":"ü"}')
    assert.equal(code, 0)
    const call = { input: { text: 'ü' }, node: null, containment: 'os' }
    assert.deepEqual(fixture.service.calls, [['callTool', 'hash', call]])
  })
})

describe('weaver secrets set', () => {
  it('takes the value from stdin, without the line break at its end', async () => {
    for (const [input, value] of [
      ['s3cret-value\n', 's3cret-value'],
      ['s3cret-value\r\n', 's3cret-value'],
      ['two\nlines', 'two\nlines'],
      ['one\n\n', 'one\n']
    ] as const) {
      fixture.service.calls.length = 0
      const { code, stdout } = await weaver(fixture.home, ['secrets', 'set', 'API_KEY'], input)
      assert.equal(code, 0)
      assert.equal(stdout, 'secret API_KEY is set\n')
      assert.deepEqual(fixture.service.calls, [['setSecret', 'API_KEY', value]])
    }
  })

  it('refuses no value, too much of it, and one among the arguments', async () => {
    const set = ['secrets', 'set', 'API_KEY']
    assert.equal((await weaver(fixture.home, set)).code, 2)
    assert.equal((await weaver(fixture.home, set, 'x'.repeat(70_000))).code, 2)
    assert.equal((await weaver(fixture.home, [...set, 'value'])).code, 2)
    assert.deepEqual(fixture.service.calls, [])
  })
})

describe('weaver exit codes', () => {
  const usage: readonly (readonly [args: string, stderr: RegExp])[] = [
    ['kernle', /no command 'kernle' \(did you mean kernel\?\)/],
    ['kernel pss', /no command 'pss' \(did you mean ps\?\)/],
    ['kernel ps --al', /no option --al \(did you mean --all\?\)/],
    ['kernel ps extra', /does not take 'extra'/],
    ['task show', /needs ID/],
    ['mesh invite --ttl -5m', /--ttl needs a value: write --ttl=VALUE where it begins with -;/],
    ['kernel logs --process=', /--process needs a value, not an empty one/],
    ['mesh invite --role king', /--role 'king' is not one of member, admin/],
    ['tool call hash {', /Cannot read '\{' as JSON/],
    ['agent spawn --name a', /^weaver: agent spawn needs --runtime RUNTIME;/],
    ['completion tcsh', /must be bash, zsh or fish/],
    ['help nothing', /no command 'nothing'/]
  ]
  for (const [args, pattern] of usage) {
    it(`are 2 for bad usage, with one line that helps: ${args}`, async () => {
      const { code, stdout, stderr } = await weaver(fixture.home, args.split(' '))
      assert.equal(code, 2)
      assert.match(stderr, pattern)
      assert.equal(stderr.trimEnd().split('\n').length, 1)
      assert.equal(stdout, '')
    })
  }

  it('are 3 without a kernel, with the command that starts one', async () => {
    const home = await mkdtemp(join(tmpdir(), 'weaver-none-'))
    for (const args of [
      'kernel ps',
      'kernel status',
      'kernel stop',
      'chain verify',
      'mesh peers'
    ]) {
      const { code, stderr } = await weaver(home, args.split(' '))
      assert.equal(code, 3)
      assert.match(stderr, /^weaver: No kernel is running.*weaver kernel start\n$/)
    }
    const { code, stdout } = await weaver(home, ['kernel', 'status', '--json'])
    assert.equal(code, 3)
    assert.partialDeepStrictEqual(json(stdout), { running: false, home })
    await rm(home, { recursive: true })
  })

  it('are 4 when policy denies', async () => {
    const detail = { hint: 'weaver policy show' }
    fixture.service.failure = new WeaverError('GOVERNANCE_DENIED', 'No', { detail })
    const { code, stderr } = await weaver(fixture.home, ['mesh', 'invite'])
    assert.equal(code, 4)
    assert.equal(stderr, 'weaver: No; weaver policy show\n')
  })

  for (const code of ['GOVERNANCE_INVALID_SECRET_NAME', 'NODE_UNKNOWN_PRINCIPAL']) {
    it(`are 2 for what only the user can mend: ${code}`, async () => {
      fixture.service.failure = new WeaverError(code, 'No')
      const { code: exit } = await weaver(fixture.home, ['mesh', 'invite'])
      assert.equal(exit, 2)
    })
  }

  it('are 5 when the time is up', async () => {
    fixture.service.taskStates = ['running']
    fixture.service.eventsFollow = true
    const args = ['task', 'wait', TASK_ID, '--timeout', '50ms']
    const { code, stderr } = await weaver(fixture.home, args)
    assert.equal(code, 5)
    assert.match(stderr, /has not ended within 50ms/)
  })

  it('are 1 for a task that did not succeed', async () => {
    fixture.service.taskStates = ['running', 'lost']
    assert.equal((await weaver(fixture.home, ['task', 'wait', TASK_ID])).code, 1)
  })

  it('are 0 for help and version, which need no kernel', async () => {
    for (const args of [
      '--help',
      'help',
      'kernel --help',
      'kernel ps -h',
      '--version',
      'run --help'
    ]) {
      const { code, stdout } = await weaver('/nonexistent', args.split(' '))
      assert.equal(code, 0)
      assert.notEqual(stdout, '')
    }
  })
})

describe('weaver into a reader that leaves', () => {
  it('ends without a word and without an error', async () => {
    fixture.service.eventsMax = 100_000
    const child = startWeaver(fixture.home, ['kernel', 'attach'])
    child.stdout.once('data', () => child.stdout.destroy())
    const { code, stderr } = await ended(child)
    assert.equal(code, 0)
    assert.equal(stderr, '')
  })
})

describe('weaver kernel attach', () => {
  it('shows events as they come, and ends with 3 when the kernel stops', async () => {
    const child = startWeaver(fixture.home, ['kernel', 'attach'])
    const end = ended(child)
    await once(child.stdout, 'data')
    await fixture.server.stop()
    const { code, stdout, stderr } = await end
    assert.equal(code, 3)
    assert.match(stdout, / {2}process\.started {2}process 1 started\n/)
    assert.match(stderr, /The kernel is stopping/)
  })
})

describe('weaver kernel stop', () => {
  it('returns when the kernel’s process is gone', async () => {
    const kernel = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: 'pipe' })
    await once(kernel, 'spawn')
    fixture.service.kernelPid = kernel.pid ?? 0
    fixture.service.onStop = () => void kernel.stdin.end()
    const { code, stdout } = await weaver(fixture.home, ['kernel', 'stop'])
    assert.equal(code, 0)
    assert.equal(stdout, `kernel stopped (pid ${kernel.pid ?? 0})\n`)
    assert(kernel.exitCode !== null || (await once(kernel, 'exit'))[0] === 0)
  })

  it('says what to do when the kernel does not go', async () => {
    fixture.service.kernelPid = process.pid
    const { code, stderr } = await weaver(fixture.home, ['kernel', 'stop', '--timeout', '60ms'])
    assert.equal(code, 5)
    assert.match(stderr, new RegExp(`still running after 0\\.06 s; .*kill -9 ${process.pid}`))
  })
})

describe('weaver completion', () => {
  it('knows every command and option, in a script that bash can read', async () => {
    const { stdout } = await weaver('/nonexistent', ['completion', 'bash'])
    const complete = `COMP_WORDS=(weaver kernel ps --a); COMP_CWORD=3; _weaver; echo "\${COMPREPLY[@]}"`
    const bash = spawn('bash', ['-c', `${stdout}\n${complete}`], { stdio: 'pipe' })
    assert.equal((await ended(bash)).stdout, '--all\n')
  })

  for (const shell of ['zsh', 'fish']) {
    it(`writes a script for ${shell}`, async () => {
      const { code, stdout } = await weaver('/nonexistent', ['completion', shell])
      assert.equal(code, 0)
      for (const word of ['kernel', 'detach', 'verify']) assert(stdout.includes(word))
    })
  }
})

describe('weaver version', () => {
  it('is that of package.json', async () => {
    const manifest = await readFile(new URL('../../../package.json', import.meta.url), 'utf8')
    const { version }: { readonly version: string } = JSON.parse(manifest)
    const { stdout } = await weaver('/nonexistent', ['version'])
    assert(stdout.startsWith(`weaver ${version} `))
  })
})
