// `weaver run` as a process: bytes, signals and exit codes, against a fake kernel.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { systemEntropy } from '../../../core/system.ts'
import { WeaverError } from '../../../core/index.ts'
import type { Caller } from '../../doubles/kernel-service.ts'
import type { Exit } from '../../../node/api/index.ts'
import { startFixture } from '../node/http/fixture.ts'
import type { Fixture } from '../node/http/fixture.ts'
import { ended, startWeaver, weaver, weaverUnder } from './weaver.ts'
import { containedSpec } from '../../doubles/sandboxes.ts'

/** Echoes stdin until it ends; a signal ends it. */
async function cat(caller: Caller): Promise<Exit> {
  for await (const frame of caller.frames) {
    if (frame.kind === 'stdin') await caller.send({ kind: 'stdout', bytes: frame.bytes })
    if (frame.kind === 'stdin-end') break
    if (frame.kind === 'signal') return { code: null, signal: frame.name }
  }
  return { code: 0, signal: null }
}

describe('weaver run', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await startFixture()
  })
  afterEach(() => fixture.stop())

  it('streams binary data both ways, byte for byte', async () => {
    fixture.service.script = cat
    const input = systemEntropy.bytes(3_000_001)
    const child = startWeaver(fixture.home, ['run', '--', 'cat'])
    const hash = createHash('sha256')
    child.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
    child.stdin.end(input)
    assert.equal((await ended(child)).code, 0)
    assert.equal(hash.digest('hex'), createHash('sha256').update(input).digest('hex'))
  })

  it('submits what it was asked, without the environment of this machine', async () => {
    const options = ['--on', 'server', '--gpu', '1:24GB', '--label', 'a=b', '--timeout', '2m']
    await weaver(fixture.home, ['run', ...options, '--', 'sh', '-c', 'echo --on'])
    assert.deepEqual(fixture.service.calls, [
      [
        'runTask',
        {
          command: ['sh', '-c', 'echo --on'],
          env: {},
          cwd: null,
          gpu: '1:24GB',
          labels: { a: 'b' },
          node: 'server',
          timeoutMs: 120_000,
          sandbox: containedSpec
        }
      ]
    ])
  })

  it('says how the command is to be confined', async () => {
    const grants = ['--grant', 'fs.read:/data', '--grant', 'env:LANG', '--workspace', '/usr/bin/..']
    const limits = ['--limit', 'mem=1GB', '--limit', 'cpu=0.5', '--limit', 'pids=100']
    const options = [...grants, ...limits, '--containment', 'none']
    await weaver(fixture.home, ['run', ...options, '--', 'true'])
    const call = fixture.service.calls[0]?.[1]
    assert(typeof call === 'object' && call !== null && 'cwd' in call && 'sandbox' in call)
    assert.equal(call.cwd, '/usr')
    assert.deepEqual(call.sandbox, {
      containment: 'none',
      grants: ['fs.read:/data', 'env:LANG', 'fs.write:/usr'],
      limits: { memoryBytes: 1e9, cpus: 0.5, pids: 100 }
    })
  })

  it('names the image that it is to run in', async () => {
    await weaver(fixture.home, ['run', '--image', 'localhost/tools:1', '--', 'true'])
    const call = fixture.service.calls[0]?.[1]
    assert(typeof call === 'object' && call !== null && 'sandbox' in call)
    assert.deepEqual(call.sandbox, { ...containedSpec, image: 'localhost/tools:1' })
  })

  for (const wrong of [
    ['--limit', 'mem'],
    ['--limit', 'cpu=0'],
    ['--limit', 'pids=1.5'],
    ['--limit', 'disk=1GB'],
    ['--containment', 'off'],
    ['--image', 'tools', '--containment', 'none']
  ]) {
    it(`refuses ${wrong.join(' ')} before anything runs`, async () => {
      assert.equal((await weaver(fixture.home, ['run', ...wrong, '--', 'true'])).code, 125)
      assert.deepEqual(fixture.service.calls, [])
    })
  }

  for (const [exit, code] of [
    [{ code: 0, signal: null }, 0],
    [{ code: 42, signal: null }, 42],
    [{ code: 127, signal: null }, 127],
    [{ code: null, signal: 'SIGKILL' }, 137]
  ] as const) {
    it(`exits with ${code} when the command ends with ${exit.signal ?? exit.code}`, async () => {
      fixture.service.script = () => Promise.resolve(exit)
      assert.equal((await weaver(fixture.home, ['run', 'true'])).code, code)
    })
  }

  for (const state of ['lost', 'cancelled', 'timed-out'] as const) {
    it(`exits with 125 and says so when the task ends ${state}`, async () => {
      fixture.service.finalState = state
      const { code, stderr } = await weaver(fixture.home, ['run', 'true'])
      assert.equal(code, 125)
      assert.match(stderr, /^weaver: task \w+ (?:was lost|was cancelled|ran out)/)
    })
  }

  it('exits with 125 and says why when its output cannot be written', async function () {
    if (!existsSync('/dev/full')) {
      process.stderr.write('skipped: there is no /dev/full here\n')
      this.skip()
    }
    fixture.service.script = async (caller) => {
      await caller.send({ kind: 'stdout', bytes: Buffer.from('lost') })
      return { code: 0, signal: null }
    }
    const script = 'exec "$0" "$@" >/dev/full'
    const { code, stderr } = await weaverUnder(fixture.home, ['sh', '-c', script], ['run', 'true'])
    assert.equal(code, 125)
    assert.match(stderr, /^weaver: Cannot write the output of task \w+: .*ENOSPC/m)
  })

  it('exits with 125 for failures of its own: denied, no kernel, bad usage', async () => {
    fixture.service.failure = new WeaverError('GOVERNANCE_DENIED', 'No')
    const big = Buffer.alloc(2_000_000)
    assert.equal((await weaver(fixture.home, ['run', 'true'], big)).code, 125)
    assert.equal((await weaver('/nonexistent', ['run', 'true'])).code, 125)
    assert.equal((await weaver(fixture.home, ['run'])).code, 125)
    assert.equal((await weaver(fixture.home, ['run', '--onn', 'x', '--', 'true'])).code, 125)
  })

  it('writes what the kernel notes to stderr, and keeps the command’s stderr apart', async () => {
    fixture.service.script = async (caller) => {
      await caller.send({ kind: 'note', text: 'waiting: no node has a GPU' })
      await caller.send({ kind: 'stderr', bytes: Buffer.from('warn\n') })
      await caller.send({ kind: 'stdout', bytes: Buffer.from('out\n') })
      return { code: 0, signal: null }
    }
    const { stdout, stderr } = await weaver(fixture.home, ['run', 'true'])
    assert.equal(stdout, 'out\n')
    assert.equal(stderr, 'weaver: waiting: no node has a GPU\nwarn\n')
  })

  it('ends although stdin is still open', async () => {
    const child = startWeaver(fixture.home, ['run', 'true'])
    assert.equal((await ended(child)).code, 0)
  })

  it('goes on after the end of stdin', async () => {
    fixture.service.script = async (caller) => {
      for await (const frame of caller.frames) if (frame.kind === 'stdin-end') break
      await caller.send({ kind: 'stdout', bytes: Buffer.from('after\n') })
      return { code: 0, signal: null }
    }
    assert.equal((await weaver(fixture.home, ['run', 'true'])).stdout, 'after\n')
  })

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131]
  ] as const) {
    it(`hands ${signal} to the command, and dies as the command did`, async () => {
      fixture.service.script = async (caller) => {
        await caller.send({ kind: 'stdout', bytes: Buffer.from('ready\n') })
        return cat(caller)
      }
      const child = startWeaver(fixture.home, ['run', 'cat'])
      const end = ended(child)
      await once(child.stdout, 'data')
      child.kill(signal)
      assert.equal((await end).code, code)
    })
  }

  it('hands signals on to the newer Node when an older one starts it', async () => {
    fixture.service.script = async (caller) => {
      await caller.send({ kind: 'stdout', bytes: Buffer.from('ready\n') })
      return cat(caller)
    }
    const versions = '{ value: { ...process.versions, node: "20.0.0" } }'
    const old = `data:text/javascript,Object.defineProperty(process, "versions", ${versions})`
    const child = startWeaver(fixture.home, ['run', 'cat'], ['--import', old])
    const end = ended(child)
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    const { code, signal } = await end
    assert.deepEqual({ code, signal }, { code: 143, signal: null })
  })

  it('cancels the task and leaves at the second SIGINT', async () => {
    const second = Promise.withResolvers<void>()
    fixture.service.script = async (caller) => {
      await caller.send({ kind: 'stdout', bytes: Buffer.from('ready\n') })
      for await (const frame of caller.frames) if (frame.kind === 'signal') second.resolve()
      return { code: 0, signal: null }
    }
    const child = startWeaver(fixture.home, ['run', 'stubborn'])
    const end = ended(child)
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    await second.promise
    child.kill('SIGINT')
    assert.equal((await end).code, 130)
    assert.deepEqual(
      fixture.service.calls.map(([name]) => name),
      ['runTask', 'cancelTask']
    )
  })

  it('gives a command whose reader has left what a pipe would: SIGPIPE', async () => {
    fixture.service.script = async (caller) => {
      const signals: string[] = []
      const listening = (async () => {
        for await (const frame of caller.frames) {
          if (frame.kind !== 'signal') continue
          signals.push(frame.name)
          break
        }
      })()
      while (signals.length === 0) {
        await caller.send({ kind: 'stdout', bytes: Buffer.alloc(1024, 'x') })
      }
      await listening
      return { code: null, signal: signals[0] ?? null }
    }
    const child = startWeaver(fixture.home, ['run', 'yes'])
    child.stdout.once('data', () => child.stdout.destroy())
    assert.equal((await ended(child)).code, 141)
  })

  it('says that the kernel is gone when it dies, and exits with 125', async () => {
    fixture.service.script = async (caller) => {
      await caller.send({ kind: 'stdout', bytes: Buffer.from('ready\n') })
      return new Promise(() => undefined)
    }
    const child = startWeaver(fixture.home, ['run', 'true'])
    const end = ended(child)
    await once(child.stdout, 'data')
    const stopped = fixture.stop()
    const { code, stderr } = await end
    await stopped
    assert.equal(code, 125)
    assert.match(stderr, /^weaver: /)
  })
})
