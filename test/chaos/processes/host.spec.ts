import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { millis, WeaverError } from '../../../core/index.ts'
import { systemProcesses } from '../../../node/processes/system-processes.ts'
import { uncontained } from '../../doubles/sandboxes.ts'
import { gather, gone, isCode, lives, Stage } from './stage.ts'
import type { Attached } from './stage.ts'

describe('a real process', function () {
  this.timeout(30_000)
  let stage: Stage

  before(async () => {
    stage = await Stage.open()
    await stage.host.start()
  })

  after(() => stage.stop())

  async function run(...command: readonly [string, ...string[]]): ReturnType<Attached['outcome']> {
    return await (await stage.attach(...command)).outcome()
  }

  it('passes its output, its errors and its exit code on, the exit last (I3)', async () => {
    const outcome = await run('sh', '-c', 'echo out; echo err >&2; exit 3')
    assert.deepEqual(outcome, { stdout: 'out\n', stderr: 'err\n', exit: { code: 3, signal: null } })
  })

  it('says by which signal it ended', async () => {
    const outcome = await run('sh', '-c', 'kill -SEGV $$')
    assert.deepEqual(outcome.exit, { code: null, signal: 'SIGSEGV' })
  })

  it('takes arguments as they are: there is no shell (H2)', async () => {
    const outcome = await run('printf', '%s|', '$HOME', '`id`', 'a b', '', '*', '\u{1f600}\n')
    assert.equal(outcome.stdout, '$HOME|`id`|a b||*|\u{1f600}\n|')
  })

  it('can open its streams by name, as in a terminal', async function () {
    if (process.platform !== 'linux') {
      process.stderr.write('skipped: untried on other systems\n')
      this.skip()
    }
    const attached = await stage.attach(
      'sh',
      '-c',
      'cat /dev/stdin; echo e >/dev/stderr; echo o | tee /dev/stdout'
    )
    await attached.send({ kind: 'stdin', bytes: Buffer.from('in\n') })
    assert.deepEqual(await attached.outcome(), {
      stdout: 'in\no\no\n',
      stderr: 'e\n',
      exit: { code: 0, signal: null }
    })
  })

  it('sends 10 MB of random bytes through cat, byte for byte', async () => {
    const attached = await stage.attach('cat')
    const block = randomFillSync(Buffer.alloc(64 * 1024))
    const sent = createHash('sha256')
    const feeding = (async (): Promise<void> => {
      for (let count = 0; count < 160; count++) {
        randomFillSync(block, 0, 64)
        const bytes = Uint8Array.from(block.subarray(0, 1 + ((count * 7919) % block.length)))
        sent.update(bytes)
        await attached.send({ kind: 'stdin', bytes })
      }
      for (let count = 0; count < 80; count++) {
        sent.update(block)
        await attached.send({ kind: 'stdin', bytes: Uint8Array.from(block) })
      }
      await attached.send({ kind: 'stdin-end' })
    })()
    const received = createHash('sha256')
    let size = 0
    for await (const frame of attached.frames()) {
      if (frame.kind !== 'stdout') continue
      received.update(frame.bytes)
      size += frame.bytes.length
    }
    await feeding
    assert.ok(size > 10_000_000 - 160 * 1024, String(size))
    assert.equal(received.digest('hex'), sent.digest('hex'))
  })

  it('is held up by a reader that stops, and the kernel holds no more than a window (I1)', async () => {
    const attached = await stage.attach('sh', '-c', 'yes & echo $! >&2; wait')
    const frames = attached.frames()
    // A reader that takes a few chunks and then stops.
    for (let count = 0; count < 5; count++) await frames.next()
    const before = process.memoryUsage().rss
    const bytes = await writtenWhenStill(attached.running.osPid)
    assert.ok(bytes < 2 * 1024 * 1024, `${bytes} bytes were written`)
    assert.ok(process.memoryUsage().rss - before < 16 * 1024 * 1024)
    // And it goes on when the reader does.
    let taken = 0
    while (taken <= bytes) {
      const { value } = await frames.next()
      if (value?.kind === 'stdout') taken += value.bytes.length
    }
    await attached.running.stop(millis(0))
  })

  it('ignores input that nobody reads', async () => {
    const attached = await stage.attach('sh', '-c', 'exec 0<&-; echo closed; exit 0')
    const bytes = new Uint8Array(64 * 1024)
    for (let count = 0; count < 32; count++) await attached.send({ kind: 'stdin', bytes })
    assert.equal((await attached.outcome()).stdout, 'closed\n')
  })

  it('gets signals that its other end sends', async () => {
    const attached = await stage.attach(
      'sh',
      '-c',
      'trap "echo got; exit 7" INT; echo ready; while :; do sleep 0.02; done'
    )
    const frames = attached.frames()
    await frames.next()
    await attached.send({ kind: 'signal', name: 'SIGNONE' }) // Names none: passed over.
    await attached.send({ kind: 'signal', name: 'SIGINT' })
    const outcome = await gather(frames)
    assert.equal(outcome.stdout, 'got\n')
    assert.deepEqual(outcome.exit, { code: 7, signal: null })
    assert.throws(() => attached.running.signal('NONSENSE'), isCode('PROCESS_UNKNOWN_SIGNAL'))
    attached.running.signal('TERM') // To one that has ended: nothing.
  })

  it('gets an environment of its own making', async () => {
    process.env['WEAVER_TEST_SECRET'] = 'secret'
    try {
      const outcome = await run('env')
      const names = outcome.stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0] ?? '')
      assert.ok(names.includes('PATH') && names.includes('WEAVER_LEASH'))
      assert.ok(!outcome.stdout.includes('secret'))
    } finally {
      delete process.env['WEAVER_TEST_SECRET']
    }
  })

  it('goes on when its other end breaks off, and writes the rest to its spool (I2)', async () => {
    const attached = await stage.attach('sh', '-c', 'echo one; cat; echo two; exit 4')
    const frames = attached.frames()
    await frames.next()
    attached.channel.abort(new WeaverError('MESH_PEER_UNREACHABLE', 'Gone'))
    assert.deepEqual(await attached.running.exited, { code: 4, signal: null })
    const text = await spooled(stage, attached.pid)
    assert.equal(text, 'two\n')
  })

  it('detachIo() closes the input and turns the output to the spool', async () => {
    const attached = await stage.attach('sh', '-c', 'cat; seq 1 100000')
    attached.running.detachIo()
    attached.running.detachIo()
    assert.deepEqual(await attached.running.exited, { code: 0, signal: null })
    const text = await spooled(stage, attached.pid)
    assert.equal(text.split('\n').length, 100_001)
    await assert.rejects(attached.send({ kind: 'stdin-end' }), isCode('PROCESS_DETACHED'))
  })
})

/** Bytes that a tree has written, once that number has stopped growing because all of it waits for a reader. */
async function writtenWhenStill(leader: number): Promise<number> {
  let last = -1
  for (;;) {
    const processes = await systemProcesses.scan({ withLeashes: false })
    const own = processes.filter(({ group }) => group === leader).map(({ osPid }) => osPid)
    const written = own
      .map((osPid) => readFileSync(`/proc/${osPid}/io`, 'utf8'))
      .map((text) => Number(/wchar: (\d+)/.exec(text)?.[1]))
      .reduce((sum, bytes) => sum + bytes, 0)
    const isBlocked = own.every((osPid) =>
      /\) S /.test(readFileSync(`/proc/${osPid}/stat`, 'utf8'))
    )
    if (isBlocked && written === last) return written
    last = written
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

describe('a process that cannot start', function () {
  this.timeout(30_000)
  let stage: Stage

  before(async () => {
    stage = await Stage.open()
    await stage.host.start()
    writeFileSync(join(stage.directory, 'plain'), 'no program\n')
    writeFileSync(join(stage.directory, 'orphan'), '#!/no/such/interpreter\n')
    chmodSync(join(stage.directory, 'orphan'), 0o755)
    mkdirSync(join(stage.directory, 'folder'))
  })

  after(() => stage.stop())

  async function refused(
    code: string,
    ...command: readonly [string, ...string[]]
  ): Promise<unknown> {
    let reason: unknown
    await assert.rejects(stage.attach(...command), (error) => {
      reason = error
      return isCode(code)(error)
    })
    return reason instanceof WeaverError ? reason.detail['exitCode'] : null
  }

  it('is not found (127), not executable (126), or has no interpreter (126)', async () => {
    assert.equal(await refused('PROCESS_NOT_FOUND', 'no-such-command-at-all'), 127)
    assert.equal(await refused('PROCESS_NOT_FOUND', './missing'), 127)
    assert.equal(await refused('PROCESS_NOT_FOUND', './plain/below'), 127)
    assert.equal(await refused('PROCESS_NOT_FOUND', ''), 127)
    assert.equal(await refused('PROCESS_NOT_EXECUTABLE', './plain'), 126)
    assert.equal(await refused('PROCESS_NOT_EXECUTABLE', './folder'), 126)
    assert.equal(await refused('PROCESS_NOT_EXECUTABLE', './orphan'), 126)
  })

  it('has a directory that does not exist, or is none', async () => {
    const spawn = async (cwd: string): Promise<void> => {
      const request = { pid: 9000 as never, command: ['true'], env: {}, io: null } as const
      await stage.host.spawn({ ...request, cwd, sandbox: uncontained })
    }
    await assert.rejects(spawn('/no/such/folder'), isCode('PROCESS_BAD_DIRECTORY'))
    await assert.rejects(spawn(join(stage.directory, 'plain')), isCode('PROCESS_BAD_DIRECTORY'))
  })

  it('has arguments that are too long or malformed', async () => {
    const long = 'x'.repeat(200_000) // Linux: 128 KiB for one argument.
    if (process.platform === 'linux') await refused('PROCESS_ARGUMENTS_TOO_LONG', 'true', long)
    await refused('PROCESS_INVALID_COMMAND', 'true', 'nul\0inside')
  })

  it('leaves no descriptor open', async function () {
    if (process.platform !== 'linux') {
      process.stderr.write('skipped: other systems have no /proc\n')
      this.skip()
    }
    await refused('PROCESS_NOT_FOUND', 'no-such-command-at-all')
    const before = readdirSync('/proc/self/fd').length
    for (let count = 0; count < 20; count++) await refused('PROCESS_NOT_FOUND', './missing')
    for (let count = 0; count < 20; count++) await refused('PROCESS_NOT_EXECUTABLE', './plain')
    // The pipes that are kept ready may stand at another number now; one left by each start would be 40.
    const more = readdirSync('/proc/self/fd').length - before
    assert.ok(more < 20, `${more} more than before`)
  })
})

describe('the end of a process', function () {
  this.timeout(30_000)
  let stage: Stage

  beforeEach(async () => {
    stage = await Stage.open()
    await stage.host.start()
  })

  afterEach(() => stage.stop())

  it('stop() ends one that ignores SIGTERM, after the grace', async () => {
    const attached = await stage.attach(
      'sh',
      '-c',
      'trap "" TERM; echo 1; while :; do sleep 1; done'
    )
    await numbers(attached, 1)
    const exit = await attached.running.stop(millis(100))
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL' })
    assert.equal(await lives(attached.running.osPid), false)
  })

  it('stop() lets one end in its own way within the grace, its children too', async () => {
    // The child of the shell needs longer than the shell itself.
    const script =
      '(trap "sleep 0.4; echo late; exit 0" TERM; echo 1; while :; do sleep 0.02; done) & wait'
    const { pid, running } = await stage.detached('sh', '-c', script)
    await firstOutput(stage, pid)
    const exit = await running.stop(millis(20_000))
    assert.deepEqual(exit, { code: null, signal: 'SIGTERM' })
    assert.match(await spooled(stage, pid), /late/)
  })

  it('stop() ends one that is suspended', async () => {
    const attached = await stage.attach('sh', '-c', 'echo 1; kill -STOP $$; echo no')
    await numbers(attached, 1)
    const exit = await attached.running.stop(millis(20_000))
    assert.deepEqual(exit, { code: null, signal: 'SIGTERM' })
  })

  it('stop() ends the whole tree: background, setsid and double-forked children', async () => {
    const script = `
      sleep 1000 & echo $!
      setsid sh -c 'echo $$; exec sleep 1000' &
      (setsid sh -c '(sleep 1000 & echo $!) ; sleep 1000' &)
      setsid env -u WEAVER_LEASH sh -c 'echo $$; exec sleep 1000' &
      wait`
    const attached = await stage.attach('sh', '-c', script)
    const tree = await numbers(attached, 4)
    assert.equal(tree.length, 4)
    for (const osPid of tree) assert.ok(await lives(osPid))
    await attached.running.stop(millis(0))
    for (const osPid of tree) assert.equal(await lives(osPid), false)
  })

  it('an exit takes a forgotten background job along, and does not wait for it', async () => {
    const { pid, running } = await stage.detached('sh', '-c', 'sleep 1000 & echo $!')
    assert.deepEqual(await running.exited, { code: 0, signal: null })
    await gone(Number(await spooled(stage, pid)))
  })

  it('an exit takes a daemon along that keeps the output open (C1)', async () => {
    const script = `setsid sh -c '(sleep 1000 & echo $!)'; exit 5`
    const { pid, running } = await stage.detached('sh', '-c', script)
    assert.deepEqual(await running.exited, { code: 5, signal: null })
    await gone(Number(await spooled(stage, pid)))
  })

  it('an exit takes a daemon along that has closed all streams (H3)', async () => {
    const script = `setsid sh -c 'sleep 1000 >/dev/null 2>&1 </dev/null & echo $!'`
    const { pid, running } = await stage.detached('sh', '-c', script)
    await running.exited
    await gone(Number(await spooled(stage, pid)))
  })

  it('cuts off the output when one that cannot be found keeps it open', async () => {
    const script = `
      setsid env -i PATH="$PATH" sh -c '(sleep 1000 & echo $!)'
      exit 6`
    const { pid, running } = await stage.detached('sh', '-c', script)
    assert.deepEqual(await running.exited, { code: 6, signal: null })
    process.kill(Number(await spooled(stage, pid)), 'SIGKILL')
  })

  it('stop() does not wait for a reader that takes nothing', async () => {
    const attached = await stage.attach('sh', '-c', 'head -c 3000000 /dev/zero')
    assert.deepEqual((await attached.running.stop(millis(0))).code, null)
    await stage.host.stop(millis(0))
  })

  it('stop() of the host ends all, refuses more, and may be called twice (H4)', async () => {
    const first = await stage.detached('sleep', '1000')
    const second = await stage.attach('sh', '-c', 'setsid sleep 1000 & echo $!; wait')
    const [stray] = await numbers(second, 1)
    await Promise.all([stage.host.stop(millis(0)), stage.host.stop(millis(0))])
    for (const osPid of [first.running.osPid, second.running.osPid, stray ?? 0]) {
      assert.equal(await lives(osPid), false)
    }
    await assert.rejects(stage.detached('true'), isCode('PROCESS_HOST_STOPPED'))
  })

  it('samples CPU and memory of the whole tree', async () => {
    // The leader itself only waits; on a machine with other work its children get a small share.
    const script = '(while :; do :; done) & (while :; do :; done) & wait'
    const { pid, running } = await stage.detached('sh', '-c', script)
    while (!stage.samples.some((sample) => sample.pid === pid && sample.cpuPercent > 2)) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.ok(stage.samples.every((sample) => sample.memoryBytes > 100_000))
    await running.stop(millis(0))
  })
})

/** The text that a process wrote to its spool. */
async function spooled(stage: Stage, pid: number): Promise<string> {
  let text = ''
  const chunks = stage.host.spool.read(pid as never, 0, new AbortController().signal, false)
  for await (const { bytes } of chunks) text += Buffer.from(bytes).toString()
  return text
}

async function firstOutput(stage: Stage, pid: number): Promise<void> {
  const chunks = stage.host.spool.read(pid as never, 0, new AbortController().signal)
  for await (const chunk of chunks) if (chunk.bytes.length > 0) return
}

/** Reads numbers that the process prints, one a line. */
async function numbers(attached: Attached, count: number): Promise<readonly number[]> {
  let text = ''
  for await (const frame of attached.frames()) {
    if (frame.kind === 'stdout') text += Buffer.from(frame.bytes).toString()
    if (text.split('\n').length > count) break
  }
  return text.trim().split('\n').map(Number)
}
