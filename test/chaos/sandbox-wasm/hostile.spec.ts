// Attack classes 13 and 17: a tool that tries to get out, and one whose bytes are not those that were looked at.

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { millis } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { createSandbox } from '../../../sandbox-wasm/index.ts'
import type { Sandbox, ToolResult } from '../../../sandbox-wasm/index.ts'
import { realWalls } from '../../doubles/sandboxes.ts'
import type { OpenWalls } from '../../doubles/sandboxes.ts'
import { silentLog } from '../../unit/sandbox-wasm/doubles.ts'
import { buildGuests } from './guests.ts'
import { until } from '../kernel/lab.ts'
import { childrenOf } from './processes.ts'

// Method: real components that misbehave, in real worker processes. After each the sandbox must still
// serve a good one, and this process must not have been held up.

const ENVIRONMENT = 'wasi:cli/environment'

describe('a hostile tool', function () {
  this.timeout(60_000)
  let builtinFolder: string
  let cacheFolder: string
  let sandbox: Sandbox
  let open: OpenWalls

  before(async () => {
    open = await realWalls()
    builtinFolder = await buildGuests()
    cacheFolder = await mkdtemp(join(tmpdir(), 'weft-hostile-'))
  })
  after(async () => {
    await open.close()
    await rm(builtinFolder, { recursive: true })
    await rm(cacheFolder, { recursive: true })
  })
  beforeEach(() => {
    sandbox = start()
  })
  afterEach(async () => {
    await sandbox.stop()
    assert.deepEqual(await childrenOf(process.pid), [])
  })

  function start(): Sandbox {
    const options = { cacheFolder, builtinFolder, execPath: process.execPath }
    return createSandbox({ clock: systemClock, log: silentLog, walls: open.walls }, options)
  }

  const call = (
    tool: string,
    options: { imports?: string[]; timeLimitMs?: number } = {}
  ): Promise<ToolResult> => {
    const { imports = [], timeLimitMs = 10_000 } = options
    const { containment } = open
    const limits = { timeLimitMs: millis(timeLimitMs), containment }
    return sandbox.call({ tool, input: '{}', imports, ...limits })
  }

  const codeOf = async (...parameters: Parameters<typeof call>): Promise<string | undefined> =>
    (await call(...parameters)).error?.code

  async function isServing(): Promise<void> {
    assert.equal((await call('good')).output, 'x')
  }

  it('that spins is killed at its limit, and holds up nobody meanwhile', async () => {
    await isServing()
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 10)
    const spinning = Promise.all([
      call('spin', { timeLimitMs: 1000 }),
      call('spin-at-start', { timeLimitMs: 1000 })
    ])
    await isServing()
    for (const { ok, error, memoryBytes, durationMs } of await spinning) {
      assert.deepEqual({ ok, memoryBytes }, { ok: false, memoryBytes: null })
      assert.equal(error?.code, 'SANDBOX_TIMED_OUT')
      assert.ok(durationMs >= 990 && durationMs < 5000, `${durationMs} ms`)
    }
    clearInterval(timer)
    assert.ok(ticks > 20, `the event loop turned only ${ticks} times in a second`)
  })

  it('that spins is ended when its caller goes away', async () => {
    const abort = new AbortController()
    const spinning = sandbox.call({ tool: 'spin', input: '{}' }, abort.signal)
    const refused = assert.rejects(spinning, /gone/)
    await untilChildren(1)
    abort.abort(new Error('gone'))
    await refused
    await untilChildren(0)
  })

  it('that takes memory without end gets 256 MiB and a trap', async () => {
    const before = process.memoryUsage().rss
    const { error, memoryBytes } = await call('hoard')
    assert.equal(error?.code, 'SANDBOX_GUEST_TRAPPED')
    assert.ok((memoryBytes ?? 0) > 200 * 2 ** 20 && (memoryBytes ?? 0) <= 256 * 2 ** 20)
    assert.ok(process.memoryUsage().rss - before < 64 * 2 ** 20)
    await isServing()
  })

  it('that fills the heap of the engine, or has too many memories, loses one call', async () => {
    assert.equal(await codeOf('hoard-tables'), 'SANDBOX_WORKER_DIED')
    const { error } = await call('hoard-memories')
    assert.match(error?.message ?? '', /more than 4 linear memories/)
    await isServing()
  })

  it('that traps, recurses for ever, or breaks the canonical ABI is an outcome', async () => {
    for (const tool of ['trap', 'recurse', 'liar', 'wrong-tag']) {
      assert.equal(await codeOf(tool), 'SANDBOX_GUEST_TRAPPED', tool)
    }
    await isServing()
  })

  it('that returns 100 MB, or no JSON, is an outcome', async () => {
    const { error } = await call('flood')
    assert.equal(error?.code, 'SANDBOX_OUTPUT_TOO_LARGE')
    assert.match(error?.message ?? '', /100 MB/)
    assert.equal(await codeOf('not-json'), 'SANDBOX_OUTPUT_INVALID')
    await isServing()
  })

  it('sees nothing of the call before it (W3)', async () => {
    for (let calls = 0; calls < 3; calls += 1) assert.equal((await call('counter')).output, 1)
  })

  it('is refused by the name of what it imports, and runs nothing (S2)', async () => {
    const imports = {
      environment: ENVIRONMENT,
      exit: 'wasi:cli/exit',
      files: 'wasi:filesystem/preopens',
      sockets: 'wasi:sockets/instance-network',
      spawner: 'weft:host/process'
    }
    for (const [tool, name] of Object.entries(imports)) {
      await assert.rejects(call(tool), ({ code, message }: { code: string; message: string }) => {
        assert.equal(code, 'SANDBOX_IMPORT_REFUSED')
        assert.ok(message.includes(name), message)
        return true
      })
      assert.ok((await sandbox.inspect(tool)).imports.includes(name))
    }
  })

  it('is refused sockets and what we do not know even when they are granted', async () => {
    const granted = { imports: ['wasi:sockets/instance-network', 'weft:host/process'] }
    await assert.rejects(call('sockets', granted), { code: 'SANDBOX_IMPORT_REFUSED' })
    await assert.rejects(call('spawner', granted), { code: 'SANDBOX_IMPORT_REFUSED' })
  })

  it('that was granted WASI finds every door shut', async () => {
    process.env['WEFT_TEST_SECRET'] = 'secret'
    try {
      assert.equal((await call('environment', { imports: [ENVIRONMENT] })).output, 0)
    } finally {
      delete process.env['WEFT_TEST_SECRET']
    }
    const files = ['wasi:filesystem/preopens', 'wasi:filesystem/types']
    assert.equal((await call('files', { imports: files })).output, 0)
    const { error } = await call('exit', { imports: ['wasi:cli/exit'] })
    assert.equal(error?.code, 'SANDBOX_GUEST_TRAPPED')
    assert.match(error?.message ?? '', /called exit/)
  })

  it('that is no component of our world is refused', async () => {
    for (const tool of ['garbage', 'core', 'mute']) {
      await assert.rejects(call(tool), { code: 'SANDBOX_COMPONENT_INVALID' }, tool)
    }
  })

  it('is not run when its bytes were changed after it was translated (S1)', async () => {
    await isServing()
    await sandbox.stop()
    sandbox = start()
    const path = join(builtinFolder, 'good.wasm')
    const bytes = await readFile(path)
    try {
      await writeFile(path, Buffer.concat([bytes, Uint8Array.of(0)]))
      await assert.rejects(call('good'), { code: 'SANDBOX_DIGEST_MISMATCH' })
      await assert.rejects(sandbox.inspect('good'), { code: 'SANDBOX_DIGEST_MISMATCH' })
    } finally {
      await writeFile(path, bytes)
    }
    await isServing()
  })

  it('does not get in through the cache: changed files are translated again (T2)', async () => {
    await isServing()
    await sandbox.stop()
    sandbox = start()
    const { sha256, entry } = await entryOf('good')
    const path = join(cacheFolder, entry, 'tool.js')
    const source = await readFile(path, 'utf8')
    for (const changed of [source.replace("'ok'", "'no'"), '', source.slice(0, 1000)]) {
      assert.notEqual(changed, source)
      await writeFile(path, changed)
      assert.equal((await call('good')).output, 'x')
      assert.equal(await readFile(path, 'utf8'), source)
      await sandbox.stop()
      sandbox = start()
    }
    await rm(path)
    await isServing()
    assert.equal((await entryOf('good')).sha256, sha256)
  })

  async function entryOf(tool: string): Promise<{ sha256: string; entry: string }> {
    const listed = (await sandbox.list()).find(({ name }) => name === tool)
    const sha256 = listed?.digest.replace('sha256:', '') ?? ''
    const entry = (await readdir(cacheFolder)).find((name) => name.startsWith(sha256)) ?? ''
    return { sha256, entry }
  }

  it('is refused too large an input, no JSON, and an unknown name', async () => {
    const refused = { code: 'SANDBOX_INPUT_INVALID' }
    const input = JSON.stringify('x'.repeat(2 ** 20))
    await assert.rejects(sandbox.call({ tool: 'good', input }), refused)
    await assert.rejects(sandbox.call({ tool: 'good', input: '{' }), refused)
    await assert.rejects(call('good', { timeLimitMs: 600_001 }), refused)
    await assert.rejects(call('nothing'), { code: 'SANDBOX_TOOL_UNKNOWN' })
  })

  it('is refused after stop(), which is safe to call twice and during a call', async () => {
    const spinning = assert.rejects(call('spin'), { code: 'SANDBOX_STOPPED' })
    await untilChildren(1)
    await Promise.all([sandbox.stop(), sandbox.stop(), spinning])
    await assert.rejects(call('good'), { code: 'SANDBOX_STOPPED' })
  })
})

async function untilChildren(count: number): Promise<void> {
  await until(async () => (await childrenOf(process.pid)).length === count)
}
