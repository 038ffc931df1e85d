// Goal: nothing that a contained process tries reaches outside.
// Method: a small C program, built here and run inside by a real host, tries one way out after the other;
// what stands around it on the host (files, sockets, a process) is real, and looked at afterwards.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SANDBOX, parseGrant, pid } from '../../../core/index.ts'
import type { RunningProcess, SpawnRequest } from '../../../agents/index.ts'
import { detectContainment } from '../../../node/containment/detect.ts'
import { isCode, Stage } from '../processes/stage.ts'
import type { Outcome } from '../processes/stage.ts'
import { contained } from '../../doubles/sandboxes.ts'

const CANARY = 'the canary'

describe('a contained process', function () {
  this.timeout(60_000)
  let stage: Stage
  let folder = ''
  let probe = ''
  const servers: Server[] = []

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    folder = mkdtempSync(join(tmpdir(), 'weaver-escape-'))
    probe = join(folder, 'probe')
    const why = detected.name === 'bubblewrap' ? built(probe) : 'there is no bubblewrap here'
    if (why !== null) {
      process.stderr.write(`skipped: ${why}\n`)
      this.skip()
    }
    writeFileSync(join(folder, 'canary'), CANARY)
    stage = await Stage.open({ sandbox: contained })
    await stage.host.start()
  })

  after(async () => {
    for (const server of servers) server.close()
    await stage?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function run(...command: readonly [string, ...string[]]): Promise<Outcome> {
    const attached = await stage.attach(
      'sh',
      '-c',
      'while [ ! -e go ]; do sleep 0.01; done; exec "$@"',
      'sh',
      ...command
    )
    const own = join(stage.directory, 'work', String(attached.pid))
    copyFileSync(probe, join(own, 'probe'))
    writeFileSync(join(own, 'go'), '')
    return await attached.outcome()
  }

  async function attempt(what: string, argument = ''): Promise<string> {
    const { stdout, stderr } = await run('./probe', what, argument)
    return `${stdout}${stderr}`.trim()
  }

  async function listen(
    where: string | { readonly host: string; readonly port: number }
  ): Promise<Server> {
    const server = createServer()
    servers.push(server)
    const { promise, resolve } = Promise.withResolvers<void>()
    if (typeof where === 'string') server.listen(where, resolve)
    else server.listen(where.port, where.host, resolve)
    await promise
    return server
  }

  const REFUSED: readonly (readonly [what: string, argument: string, answer: RegExp])[] = [
    ['unshare', '10000000', /EPERM/],
    ['unshare', '20000', /EPERM/],
    ['unshare', '40000000', /EPERM/],
    ['clone', '10000000', /EPERM/],
    ['clone', '20000000', /EPERM/],
    ['clone3', '10000000', /ENOSYS/],
    ['setns', '/proc/self/ns/net', /EPERM/],
    ['mount', '/tmp', /EPERM/],
    ['bind', '/usr', /EPERM/],
    ['remount', '/usr', /EPERM/],
    ['umount', '/proc/sys', /EPERM/],
    ['umount', '/etc', /EPERM/],
    ['pivot_root', '/tmp', /EPERM/],
    ['chroot', '/tmp', /EPERM/],
    ['open_tree', '/', /EPERM/],
    ['fsopen', '', /EPERM/],
    ['mknod', '/tmp/disk', /EPERM/],
    ['ptrace', '1', /EPERM/],
    ['traceme', '', /EPERM/],
    ['process_vm_readv', '1', /EPERM/],
    ['pidfd_getfd', '1', /EPERM/],
    ['bpf', '', /EPERM/],
    ['perf_event_open', '', /EPERM/],
    ['userfaultfd', '', /EPERM/],
    ['io_uring', '', /EPERM/],
    ['keyctl', '', /EPERM/],
    ['add_key', '', /EPERM/],
    ['kexec', '', /EPERM/],
    ['module', '', /EPERM/],
    ['handle', '/task', /EPERM/],
    ['tiocsti', '', /EPERM/],
    ['socket', '17', /EAFNOSUPPORT/],
    ['socket', '38', /EAFNOSUPPORT/],
    ['socket', '40', /EAFNOSUPPORT/],
    ['socket', '2', /EPERM|EPROTONOSUPPORT/],
    ['netfilter', '', /EAFNOSUPPORT/],
    ['setuid', '', /EINVAL|EPERM/],
    ['write', '/usr/bin/true', /EROFS/],
    ['create', '/usr/new', /EROFS/],
    ['create', '/new', /EROFS/],
    ['create', '/etc/new', /EROFS/],
    ['write', '/proc/sys/kernel/core_pattern', /EROFS|EACCES/],
    ['write', '/proc/sys/vm/drop_caches', /EROFS|EACCES/],
    ['write', '/proc/sysrq-trigger', /ENOENT|EROFS|EACCES/]
  ]
  it('opens no namespace, mount, process, key, machine call or foreign socket', async () => {
    const script = REFUSED.map(([what, argument]) => `./probe '${what}' '${argument}'`).join('\n')
    const { stdout } = await run('sh', '-c', script)
    const answers = stdout.trim().split('\n')
    assert.equal(answers.length, REFUSED.length, stdout)
    for (const [index, [what, argument, answer]] of REFUSED.entries()) {
      assert.match(answers[index] ?? '', answer, `${what} ${argument}`)
    }
  })

  it('sees no file of this machine that was not granted', async () => {
    const paths = [
      '/etc/shadow',
      '/etc/ssh',
      '/root',
      '/home',
      '/var/run/docker.sock',
      '/run/docker.sock',
      '/run/dbus/system_bus_socket',
      '/var/lib',
      '/sys/kernel',
      '/dev/mem',
      '/dev/kmsg',
      '/dev/kvm',
      '/dev/fuse',
      '/dev/vda',
      '/dev/sda',
      '/dev/nvidia0',
      '/dev/net/tun',
      join(folder, 'canary'),
      stage.directory,
      join(stage.directory, 'run'),
      join(process.cwd(), 'package.json'),
      `/proc/${process.pid}`,
      `/proc/${process.ppid}/environ`
    ]
    const { stdout } = await run(
      'sh',
      '-c',
      paths.map((path) => `./probe read '${path}'`).join('\n')
    )
    const answers = stdout.trim().split('\n')
    for (const [index, path] of paths.entries()) assert.match(answers[index] ?? '', /refused/, path)
  })

  it('reads nothing of the machine from what /proc and /dev still name', async () => {
    const { stdout } = await run(
      'sh',
      '-c',
      'cat /proc/keys /proc/kmsg /proc/kallsyms /proc/slabinfo /proc/kpageflags /dev/core 2>/dev/null | head -c 100'
    )
    assert.equal(stdout, '')
  })

  it('has its three streams and no other descriptor', async () => {
    const { stdout } = await run('sh', '-c', 'ls /proc/self/fd')
    // `ls` opens one itself. What this test's own parent left open, a kernel closes at its start.
    const inherited = inheritedHere()
    const seen = stdout.trim().split('\n').map(Number)
    assert.deepEqual(
      seen.filter((descriptor) => descriptor > 3 && !inherited.includes(descriptor)),
      []
    )
  })

  it('has no right, gains none from a setuid program, and runs under a filter', async () => {
    const { stdout } = await run('grep', '-E', '^(Cap|NoNewPrivs|Seccomp:)', '/proc/self/status')
    assert.match(stdout, /NoNewPrivs:\t1/)
    assert.match(stdout, /Seccomp:\t2/)
    for (const [, rights] of stdout.matchAll(/^Cap\w+:\t(\w+)/gm))
      assert.match(rights ?? '', /^0+$/)
    const { stdout: mounts } = await run('cat', '/proc/mounts')
    for (const line of mounts.trim().split('\n')) assert.match(line, /nosuid/)
    const { exit } = await run('su', '-c', 'true')
    assert.notEqual(exit?.code, 0)
  })

  it('reaches no process outside by signals', async () => {
    assert.match(await attempt('kill', String(process.pid)), /ESRCH/)
    const { stdout } = await run('sh', '-c', `kill -9 ${process.pid} 2>&1; echo still here`)
    assert.match(stdout, /still here/)
  })

  it('reaches no socket of this machine: abstract, by path or over the loopback', async () => {
    const name = `weaver-escape-${process.pid}`
    await listen(`\0${name}`)
    const path = join(folder, 'kernel.sock')
    await listen(path)
    const tcp = await listen({ host: '127.0.0.1', port: 0 })
    const address = tcp.address()
    assert(typeof address === 'object' && address !== null)
    assert.match(await attempt('abstract', name), /ECONNREFUSED/)
    assert.match(await attempt('connect', path), /ENOENT/)
    assert.match(await attempt('tcp', String(address.port)), /ENETUNREACH|ECONNREFUSED/)
  })

  it('finds only what was meant for it in its environment', async () => {
    process.env['WEAVER_TEST_SECRET'] = CANARY
    const { stdout } = await run('sh', '-c', 'cat /proc/*/environ')
    delete process.env['WEAVER_TEST_SECRET']
    assert(!stdout.includes(CANARY))
    const names = stdout.split('\0').map((item) => item.split('=')[0] ?? '')
    const known = ['HOME', 'LANG', 'OLDPWD', 'PATH', 'PWD', 'SHLVL', 'TERM', 'TMPDIR', 'TZ', '_']
    const odd = names.filter(
      (name) => !known.includes(name) && !/^(?:|LC_\w+|WEAVER_LEASH)$/.test(name)
    )
    assert.deepEqual(odd, [])
  })

  describe('with grants', () => {
    let pids = 5000
    async function spawn(
      grants: readonly string[],
      command: readonly [string, ...string[]],
      env: Readonly<Record<string, string>> = {}
    ): Promise<RunningProcess> {
      pids += 1
      const cwd = join(stage.directory, 'work', String(pids))
      mkdirSync(cwd, { recursive: true })
      return await stage.host.spawn({
        pid: pid(pids),
        command,
        env,
        cwd,
        isOwnFolder: true,
        io: null,
        sandbox: { ...DEFAULT_SANDBOX, grants: grants.map(parseGrant) }
      })
    }

    it('sees what was granted, and writes only what was granted for that', async () => {
      const data = join(folder, 'data')
      mkdirSync(data)
      writeFileSync(join(data, 'in'), 'x')
      const script = `cat /names/in && ! touch /names/out && touch ${data}/out`
      const grants = [`fs.read:${data}=/names`, `fs.write:${data}`]
      const { exited } = await spawn(grants, ['sh', '-c', script])
      assert.deepEqual(await exited, { code: 0, signal: null })
      assert.equal(readFileSync(join(data, 'out'), 'utf8'), '')
    })

    it('is not given a folder through a link, wherever the link is on the way (attack 11)', async () => {
      const real = join(folder, 'real')
      mkdirSync(join(real, 'below'), { recursive: true })
      symlinkSync(real, join(folder, 'link'))
      for (const path of [join(folder, 'link'), join(folder, 'link', 'below')]) {
        await assert.rejects(
          spawn([`fs.write:${path}`], ['true']),
          isCode('CONTAINMENT_GRANT_REFUSED')
        )
      }
    })

    it('is not given the weaver’s home (attack 8)', async () => {
      const home = [`fs.read:${stage.directory}`, `fs.write:${join(stage.directory, 'run')}`]
      for (const grant of home) {
        await assert.rejects(spawn([grant], ['true']), isCode('CONTAINMENT_GRANT_REFUSED'))
      }
    })

    it('what a requester sets in its environment never reaches the program that confines (B1)', async () => {
      const evil = join(folder, 'evil.so')
      const env = { LD_PRELOAD: evil, LD_LIBRARY_PATH: folder, PATH: folder }
      const running = await spawn([], ['/bin/sh', '-c', 'sleep 5'], env)
      const outer = readFileSync(`/proc/${running.osPid}/environ`, 'latin1')
      assert.doesNotMatch(outer, /LD_|PATH/)
      await running.stop(0 as never)
    })

    it('a NUL in a directory, an argument or a variable says nothing to the program that confines', async () => {
      const target = join(folder, 'canary')
      const options = `/usr/\0--ro-bind\0${target}\0/tmp/canary\0--chdir\0/`
      const refused = async (asked: Partial<SpawnRequest>): Promise<void> => {
        const request = { command: ['cat', '/tmp/canary'], env: {}, cwd: null, io: null } as const
        const started = stage.host.spawn({
          ...request,
          ...asked,
          pid: pid(9000),
          sandbox: contained
        })
        await assert.rejects(started, isCode('PROCESS_INVALID_COMMAND'))
      }
      await refused({ cwd: options })
      await refused({ command: ['cat', options] })
      await refused({ env: { NAME: options } })
    })

    it('a race of two guests over links leads nowhere outside the root (attack 12)', async () => {
      const root = join(folder, 'race')
      const outside = join(folder, 'outside')
      mkdirSync(join(root, 'real'), { recursive: true })
      mkdirSync(outside)
      writeFileSync(join(outside, 'file'), CANARY)
      const seconds = process.env['WEAVER_TEST_LONG'] === undefined ? 3 : 60
      const grants = [`fs.write:${root}`]
      const until = `end=$(($(date +%s) + ${seconds})); while [ $(date +%s) -lt $end ]; do for i in 1 2 3 4 5 6 7 8; do`
      const swap = `cd ${root}; ${until} ln -sfn ${outside} spot; ln -sfn real spot; ln -sfn ../outside spot; done; done`
      const use = `cd ${root}; ${until} cat spot/file >>stolen; echo harm >spot/file; done; done 2>/dev/null`
      const guests = await Promise.all([
        spawn(grants, ['sh', '-c', swap]),
        spawn(grants, ['sh', '-c', use])
      ])
      await Promise.all(guests.map(({ exited }) => exited))
      assert.equal(readFileSync(join(outside, 'file'), 'utf8'), CANARY)
      assert(!readFileSync(join(root, 'stolen'), 'utf8').includes(CANARY))
      assert.equal(readFileSync(join(root, 'real', 'file'), 'utf8'), 'harm\n', 'the race was run')
    })
  })
})

/** Null when the probe could be built, else why not. */
function built(probe: string): string | null {
  try {
    const source = join(import.meta.dirname, 'probe.c')
    execFileSync('cc', ['-O1', '-w', '-o', probe, source], { stdio: 'pipe' })
    return null
  } catch (error) {
    return `there is no C compiler here (npm run setup:debian): ${String(error).slice(0, 200)}`
  }
}

/** Descriptors that this test's own process inherited without the mark that closes them for children. */
function inheritedHere(): readonly number[] {
  const found: number[] = []
  for (let descriptor = 4; descriptor < 1024; descriptor++) {
    try {
      const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')
      const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '', 8)
      if ((flags & 0o2_000_000) === 0) found.push(descriptor)
    } catch {
      // There is none of this number.
    }
  }
  return found
}
