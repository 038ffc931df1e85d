// Goal: code that has broken out of a tool's WASM, out of its engine and out of Node's own permissions, or out of the
// translator, finds nothing.
// Method: the real walls around a program that stands for such code: a small C program that tries one way out after
// the other, and Node without any permission model. What is attacked on the host is real.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WorkerLink, WorkerStart, WorkerWalls } from '../../../sandbox-wasm/index.ts'
import { processLauncher } from '../../../sandbox-wasm/worker-process.ts'
import { librariesOf } from '../../../node/containment/workers.ts'
import { realWalls } from '../../doubles/sandboxes.ts'
import type { OpenWalls } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { until } from '../kernel/lab.ts'
import { childrenOf, isRunning } from '../sandbox-wasm/processes.ts'

const CANARY = 'the canary'
const MEMORY = 1024 * 1024 * 1024

describe('what has broken out of a tool', function () {
  this.timeout(60_000)
  let open: OpenWalls
  let folder = ''
  let probe = ''
  const servers: Server[] = []

  before(async function () {
    open = await realWalls()
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'weaver-broken-out-')))
    probe = join(folder, 'probe')
    if (open.containment === 'none') {
      process.stderr.write('skipped: there is no bubblewrap here\n')
      this.skip()
    }
    try {
      const source = join(import.meta.dirname, 'probe.c')
      execFileSync('cc', ['-O1', '-w', '-o', probe, source], { stdio: 'pipe' })
    } catch (error) {
      process.stderr.write(`skipped: there is no C compiler here: ${String(error).slice(0, 200)}\n`)
      this.skip()
    }
    writeFileSync(join(folder, 'canary'), CANARY)
  })

  after(async () => {
    for (const server of servers) server.close()
    await open.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Runs it behind the walls to its end, and gives what it said. */
  async function behindWalls(
    command: readonly [string, ...string[]],
    options: Partial<WorkerStart> = {}
  ): Promise<string> {
    const confined = open.walls.around({
      command,
      readable: [],
      memoryBytesMax: MEMORY,
      threadsMax: 64,
      firstDescriptor: 3,
      ...options
    })
    const [program, ...args] = confined.command
    const stdio = ['ignore', 'pipe', 'pipe', ...confined.descriptors] as const
    const child = spawn(program, args, { env: {}, cwd: '/', detached: true, stdio: [...stdio] })
    confined.release()
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Uint8Array) => {
        said += Buffer.from(chunk).toString()
      })
    }
    await once(child, 'close')
    await confined.ended()
    return said.trim()
  }

  async function attempt(what: string, argument = ''): Promise<string> {
    return await behindWalls([probe, what, argument])
  }

  async function listen(where: string | { host: string; port: number }): Promise<Server> {
    const server = createServer()
    servers.push(server)
    const listening = once(server, 'listening')
    server.listen(where)
    await listening
    return server
  }

  it('makes no process, namespace, mount or socket, and reaches no other process', async () => {
    const attempts: readonly (readonly [string, string, RegExp])[] = [
      ['clone', '0', /EPERM/], // An ordinary process.
      ['clone', '10000000', /EPERM/],
      ['clone', '10010000', /EPERM/], // Hidden behind the mark of a thread.
      ['clone3', '0', /ENOSYS/],
      ['unshare', '10000000', /EPERM/],
      ['mount', '/', /EPERM/],
      ['ptrace', '1', /EPERM/],
      ['io_uring', '', /EPERM/],
      ['userfaultfd', '', /EPERM/],
      ['bpf', '', /EPERM/],
      ['keyctl', '', /EPERM/],
      ['socket', '1', /EPERM/],
      ['socket', '2', /EPERM/],
      ['socket', '16', /EPERM/],
      ['kill', String(process.pid), /ESRCH/],
      ['create', '/new', /EROFS/],
      ['create', join(folder, 'new'), /EROFS|ENOENT/],
      ['write', probe, /EROFS|ETXTBSY/]
    ]
    for (const [what, argument, answer] of attempts) {
      assert.match(await attempt(what, argument), answer, `${what} ${argument}`)
    }
  })

  it('sees no file but its program, its libraries and what it was to read', async () => {
    const paths = [
      '/etc/passwd',
      '/etc/hostname',
      '/bin/sh',
      '/usr/bin/env',
      '/proc/self/environ',
      '/sys',
      '/dev/null',
      homedir(),
      join(folder, 'canary'),
      join(process.cwd(), 'package.json')
    ]
    for (const path of paths) assert.match(await attempt('read', path), /ENOENT/, path)
    const script = `
      const { readdirSync } = require('node:fs')
      const found = []
      const walk = (folder) => {
        for (const entry of readdirSync(folder, { withFileTypes: true })) {
          const path = folder + '/' + entry.name
          if (entry.isDirectory()) walk(path)
          else found.push(path)
        }
      }
      walk('')
      console.log(JSON.stringify(found))`
    const said = await behindWalls([
      process.execPath,
      '-e',
      script.replace("walk('')", "walk('/.')")
    ])
    const found: unknown = JSON.parse(said)
    assert.ok(Array.isArray(found))
    const expected = [process.execPath, ...(await librariesOf(process.execPath))]
    assert.deepEqual(
      found.map((path) => String(path).slice(2)).toSorted(),
      [...new Set(expected)].toSorted()
    )
  })

  it('reaches no socket of this machine, whatever it is', async () => {
    const abstract = `weaver-broken-out-${process.pid}`
    await listen(`\0${abstract}`)
    const path = join(folder, 'kernel.sock')
    await listen(path)
    const tcp = await listen({ host: '127.0.0.1', port: 0 })
    const address = tcp.address()
    assert(typeof address === 'object' && address !== null)
    const reached: string[] = []
    for (const server of servers) server.on('connection', () => reached.push('reached'))
    for (const [what, argument] of [
      ['abstract', abstract],
      ['connect', path],
      ['tcp', String(address.port)]
    ] as const) {
      assert.match(await attempt(what, argument), /refused/, what)
    }
    // The one socket that might be shown: what is readable is shown, and still no socket call is allowed.
    assert.match(await behindWalls([probe, 'connect', path], { readable: [path] }), /refused/)
    const script = `
      const socket = require('node:net').connect(${address.port}, '127.0.0.1')
      socket.on('error', ({ code }) => console.log(code)).on('connect', () => console.log('in'))`
    assert.match(await behindWalls([process.execPath, '-e', script]), /EPERM|EACCES/)
    assert.deepEqual(reached, [])
  })

  it('has no right, runs under a filter, and starts no program', async () => {
    const script = `
      const { spawnSync } = require('node:child_process')
      for (const program of ['/bin/sh', process.execPath]) {
        console.log(spawnSync(program, ['--version']).error?.code)
      }
      console.log(Object.keys(process.env).join())`
    const said = await behindWalls([process.execPath, '-e', script])
    const [shell, itself, names] = said.split('\n')
    assert.match(shell ?? '', /EPERM|ENOENT/)
    assert.match(itself ?? '', /EPERM/)
    assert.equal(names, 'PWD')
  })

  it('that takes memory without end is ended, and this process is not', async function () {
    const { memory } = groupsHere()
    if (!memory) {
      process.stderr.write('skipped: no control group of memory here\n')
      this.skip()
    }
    const script = `
      const taken = []
      console.log('taking')
      for (let round = 0; round < 64; round += 1) taken.push(Buffer.alloc(16 * 1024 * 1024, 1))
      console.log('had it all')`
    const said = await behindWalls([process.execPath, '-e', script], {
      memoryBytesMax: 256 * 1024 * 1024
    })
    assert.equal(said, 'taking')
  })

  /** The process inside, of a worker that the real launcher started. */
  async function inner(before: readonly number[]): Promise<number> {
    let found = (await childrenOf(process.pid)).find((osPid) => !before.includes(osPid)) ?? 0
    for (;;) {
      const [child] = await childrenOf(found)
      if (child === undefined) return found
      found = child
    }
  }

  describe('and the processes that really run tools and the translator', () => {
    for (const what of ['guest', 'transpiler'] as const) {
      it(`stand behind these walls: ${what}`, async () => {
        const asked: WorkerStart[] = []
        const walls: WorkerWalls = {
          around: (start) => {
            asked.push(start)
            return open.walls.around(start)
          }
        }
        const launcher = processLauncher({ log: silentLog, walls }, { execPath: process.execPath })
        const before = await childrenOf(process.pid)
        const tool = mkdtempSync(join(folder, 'tool-'))
        const link: WorkerLink<never, unknown> =
          what === 'guest' ? await launcher.guest(tool, 'os') : await launcher.transpiler('os')
        await until(async () => {
          const status = readFileSync(`/proc/${await inner(before)}/comm`, 'utf8')
          return /node|MainThread/.test(status) && asked.length === 1
        })
        const osPid = await inner(before)
        const status = readFileSync(`/proc/${osPid}/status`, 'utf8')
        assert.match(status, /NoNewPrivs:\t1/)
        assert.match(status, /Seccomp:\t2/)
        assert.match(status, /CapEff:\t0+\n/)
        for (const kind of ['net', 'pid', 'mnt', 'user', 'ipc', 'uts']) {
          const outside = readlinkSync(`/proc/self/ns/${kind}`)
          assert.notEqual(readlinkSync(`/proc/${osPid}/ns/${kind}`), outside, kind)
        }
        const tops = readdirSync(`/proc/${osPid}/root`)
        const shown = [...(asked[0]?.readable ?? []), process.execPath]
        const allowed = ['etc', 'lib', 'lib64', 'usr', ...shown.map((path) => path.split('/')[1])]
        assert.deepEqual(
          tops.filter((name) => !allowed.includes(name)),
          []
        )
        link.kill()
        await link.ended
        await until(async () => !(await isRunning(osPid)))
      })
    }
  })
})

function groupsHere(): { readonly memory: boolean } {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
  return { memory: process.getuid?.() === 0 && /cgroup/.test(mounts) && /memory/.test(mounts) }
}
