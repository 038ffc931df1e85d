// Goal: a command in an image has the walls of every contained process, and ends with its task and its kernel.
// Method: an image of this machine's shell, run by a real host; kernels that are killed while one runs.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channelPair, DEFAULT_SANDBOX, millis, parseGrant, pid } from '../../../core/index.ts'
import type { Sandbox } from '../../../core/index.ts'
import { detectPodman, podmanEnvironment } from '../../../node/containment/podman-detect.ts'
import type { Approval } from '../../../node/api/index.ts'
import { systemProcesses } from '../../../node/processes/system-processes.ts'
import { Attached, isCode, pause, Stage } from '../processes/stage.ts'
import { Lab, resultOf, until } from '../kernel/lab.ts'
import { IMAGE, makeImage, podman, useStore } from './images.ts'

describe('a command in an image', function () {
  this.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'weaver-images-'))
  const earlier = process.env['CONTAINERS_STORAGE_CONF']
  let stage: Stage
  let pids = 8000

  before(async function () {
    useStore(folder)
    const found = await detectPodman(process.platform, podmanEnvironment(process.env))
    if (found.name === null) {
      process.stderr.write(`skipped: ${found.why}; ${found.fix}\n`)
      this.skip()
    }
    makeImage(folder)
    stage = await Stage.open()
    await stage.host.start()
  })
  after(async () => {
    await stage?.stop()
    if (stage !== undefined) podman('rmi', '--force', IMAGE)
    if (earlier === undefined) delete process.env['CONTAINERS_STORAGE_CONF']
    else process.env['CONTAINERS_STORAGE_CONF'] = earlier
    rmSync(folder, { recursive: true, force: true })
  })

  async function attach(
    command: readonly [string, ...string[]],
    wish: Partial<Sandbox> = {},
    env: Readonly<Record<string, string>> = {}
  ): Promise<Attached> {
    const [ours, theirs] = channelPair()
    pids += 1
    const cwd = join(stage.directory, 'work', String(pids))
    mkdirSync(cwd, { recursive: true, mode: 0o700 })
    const sandbox = { ...DEFAULT_SANDBOX, image: IMAGE, ...wish }
    const request = { pid: pid(pids), command, env, io: theirs } as const
    const running = await stage.host.spawn({ ...request, cwd, isOwnFolder: true, sandbox })
    return new Attached(pids, running, ours)
  }

  /** Processes of this machine, zombies left out, that have `word` as an argument and are not podman's own. */
  async function countOf(word: string): Promise<number> {
    const processes = await systemProcesses.scan({ withLeashes: false })
    return processes.filter(({ osPid, isZombie }) => {
      if (isZombie) return false
      try {
        const words = readFileSync(`/proc/${osPid}/cmdline`, 'utf8').split('\0')
        return words[0]?.endsWith('sleep') === true && words.includes(word)
      } catch {
        return false
      }
    }).length
  }

  async function untilCount(word: string, count: number): Promise<void> {
    while ((await countOf(word)) !== count) await pause()
  }

  it('reads and writes its streams, and ends with its own exit code', async () => {
    const script = 'read -r line; echo "out $line"; echo err >&2; exit 7'
    const attached = await attach(['sh', '-c', script])
    await attached.send({ kind: 'stdin', bytes: Buffer.from('in\n') })
    const { stdout, stderr, exit } = await attached.outcome()
    assert.deepEqual({ stdout, stderr }, { stdout: 'out in\n', stderr: 'err\n' })
    assert.deepEqual(exit, { code: 7, signal: null })
    const missing = await (await attach(['/usr/bin/not-there'])).outcome()
    assert.equal(missing.exit?.code, 127)
  })

  it('sees its image and its folder, and has no capability, no network and no root to write', async () => {
    const script = `
      pwd; echo kept >here && cat here; echo tmp >/tmp/x && cat /tmp/x
      (echo no >/root-file) 2>/dev/null || echo closed
      while read -r name value; do
        case $name in CapEff:|CapBnd:|NoNewPrivs:|Seccomp:) echo "$name$value" ;; esac
      done </proc/self/status
      ls /sys/class/net`
    const { stdout } = await (await attach(['sh', '-c', script])).outcome()
    const none = '0000000000000000'
    assert.deepEqual(stdout.trim().split('\n'), [
      '/task',
      'kept',
      'tmp',
      'closed',
      `CapEff:${none}`,
      `CapBnd:${none}`,
      'NoNewPrivs:1',
      'Seccomp:2',
      'lo'
    ])
    const own = join(stage.directory, 'work', String(pids), 'here')
    assert.equal(readFileSync(own, 'utf8'), 'kept\n')
  })

  it('has the variables that were asked for and the image’s, and none of this machine', async () => {
    process.env['WEAVER_TEST_HIDDEN'] = 'hidden'
    try {
      const { stdout } = await (await attach(['env'], {}, { ASKED: 'a "b" c' })).outcome()
      const names = stdout.split('\n').map((line) => line.split('=')[0] ?? '')
      const known =
        /^(PATH|TERM|HOSTNAME|HOME|TMPDIR|LANG|LC_\w+|TZ|container|OF_IMAGE|ASKED|WEAVER_LEASH|)$/
      assert.deepEqual(
        names.filter((name) => !known.test(name)),
        []
      )
      assert.match(stdout, /^ASKED=a "b" c$/m)
      assert.match(stdout, /^HOME=\/task$/m)
      assert.match(stdout, /^OF_IMAGE=yes$/m)
    } finally {
      delete process.env['WEAVER_TEST_HIDDEN']
    }
  })

  it('gets the granted folders, and of them not what their owner’s tools obey', async () => {
    const [readable, writable] = [join(folder, 'readable'), join(folder, 'writable')]
    for (const path of [readable, writable]) mkdirSync(path)
    writeFileSync(join(readable, 'file'), 'content\n')
    writeFileSync(join(writable, '.envrc'), 'mine\n')
    const grants = [`fs.read:${readable}=/in`, `fs.write:${writable}`].map(parseGrant)
    const script = `cat /in/file; (echo x >/in/new) 2>/dev/null || echo closed
      echo x >${writable}/new; (echo x >${writable}/.envrc) 2>/dev/null || echo guarded`
    const { stdout } = await (await attach(['sh', '-c', script], { grants })).outcome()
    assert.equal(stdout, 'content\nclosed\nguarded\n')
    assert.equal(readFileSync(join(writable, 'new'), 'utf8'), 'x\n')
    assert.equal(readFileSync(join(writable, '.envrc'), 'utf8'), 'mine\n')
  })

  it('holds its limits', async () => {
    const script = 'for n in 1 2 3 4 5 6 7 8; do sleep 20 & done; echo all'
    const limits = { memoryBytes: 64e6, cpus: 1, pids: 4 }
    const { stdout, stderr, exit } = await (
      await attach(['sh', '-c', script], { limits })
    ).outcome()
    assert.notEqual(exit?.code, 0)
    assert.equal(stdout, '')
    assert.match(stderr, /fork/i)
  })

  it('is refused without its image, and with grants that a container does not have', async () => {
    const image = 'localhost/not-there:1'
    await assert.rejects(attach(['sh'], { image }), {
      code: 'CONTAINMENT_IMAGE_MISSING',
      message: /podman pull localhost\/not-there:1$/
    })
    const grants = [parseGrant('net:example.com:443')]
    await assert.rejects(attach(['sh'], { grants }), isCode('CONTAINMENT_GRANT_REFUSED'))
  })

  it('hears a signal, and is gone when its stop is done, without the kernel’s mark too', async () => {
    const hears = 'trap "echo heard; exit 3" TERM; echo ready; while :; do sleep 0.01; done'
    const attached = await attach(['sh', '-c', hears])
    let isReady = false
    let stdout = ''
    for await (const frame of attached.frames()) {
      if (frame.kind === 'stdout') stdout += Buffer.from(frame.bytes).toString()
      if (stdout === 'ready\n' && !isReady) attached.running.signal('SIGTERM')
      isReady ||= stdout === 'ready\n'
    }
    assert.equal(stdout, 'ready\nheard\n')
    assert.deepEqual(await attached.running.exited, { code: 3, signal: null })

    const word = String(8_000_000 + pids)
    const { running } = await attach(['/usr/bin/env', '-i', '/usr/bin/sleep', word])
    await untilCount(word, 1)
    await running.stop(millis(50))
    assert.equal(await countOf(word), 0)
    assert.equal(podman('ps', '--all', '--quiet'), '')
  })

  for (const withGuardian of [false, true]) {
    const title = withGuardian
      ? 'is removed by the next kernel, when the guardian was killed with its own'
      : 'ends with a kernel that is killed, without the kernel’s mark too'
    it(title, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'weaver-image-kernel-'))
      const word = `${process.pid}00${withGuardian ? 2 : 1}`
      const home = `dead${process.pid.toString(16)}${withGuardian ? '1' : '0'}`
      const program = join(import.meta.dirname, 'fake-image-kernel.ts')
      const child = spawn(process.execPath, [program, directory, home, '1', word], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      try {
        let guardian = 0
        for await (const bytes of child.stdout) {
          guardian = Number(String(bytes))
          break
        }
        await untilCount(word, 1)
        if (withGuardian) process.kill(guardian, 'SIGKILL')
        child.kill('SIGKILL')
        if (withGuardian) {
          const next = await Stage.open({ directory, homeId: home, bootId: 'b2' })
          assert.equal(await countOf(word), 0)
          await next.stop()
        }
        await untilCount(word, 0)
        while (podman('ps', '--all', '--quiet') !== '') await pause()
      } finally {
        child.kill('SIGKILL')
        rmSync(directory, { recursive: true, force: true })
      }
    })
  }

  it('approve an image, then give its name to another: refused (attack 11)', async () => {
    const lab = await Lab.open()
    try {
      const { client } = await lab.start('laptop')
      const ask =
        '@id("mine.images") @ask("look at it") forbid (principal, action == Weft::Action::"task.submit", resource)' +
        ' when { context has image };'
      await lab.done('laptop', 'policy', 'add', ask)
      const child = lab.spawn('laptop', ['run', '--image', IMAGE, '--', 'echo', 'ran'])
      const ended = resultOf(child)
      const pending = async (): Promise<Approval | undefined> =>
        (await client.approvals()).find(({ state }) => state === 'pending')
      await until(async () => (await pending()) !== undefined)
      const asked = await pending()
      const id = podman('image', 'inspect', '--format', '{{.Id}}', IMAGE).trim()
      assert.deepEqual(asked?.files[0], { path: `image ${IMAGE}`, digest: id })
      podman('import', '--change', 'ENV OF_IMAGE=another', join(folder, 'image.tar'), IMAGE)
      await lab.done('laptop', 'approvals', 'approve', asked?.id ?? '')
      await until(async () => (await pending()) !== undefined)
      const next = await pending()
      assert.notEqual(next?.files[0]?.digest, id)
      await lab.done('laptop', 'approvals', 'deny', next?.id ?? '')
      const { code, stdout } = await ended
      assert.deepEqual({ code, stdout }, { code: 125, stdout: '' })
    } finally {
      await lab.close()
    }
  })
})
