import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { millis, WeaverError } from '../../../../core/index.ts'
import type { FrameChannel } from '../../../../core/index.ts'
import { decodeIoFrame, encodeIoFrame } from '../../../../node/api/io-frame.ts'
import type { IoFrame } from '../../../../node/api/io-frame.ts'
import { runTask } from '../../../../node/api/run-client.ts'
import type { TaskSubmission } from '../../../../node/api/index.ts'
import { SUBMISSION_TIMEOUT_MS } from '../../../../node/http/limits.ts'
import { containedSpec } from '../../../doubles/sandboxes.ts'
import { startFixture } from './fixture.ts'
import type { Fixture } from './fixture.ts'

const CAT: TaskSubmission = {
  command: ['cat'],
  env: {},
  cwd: null,
  gpu: null,
  labels: {},
  node: null,
  timeoutMs: null,
  sandbox: containedSpec
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

describe('an attached task over HTTP', () => {
  let fixture: Fixture
  beforeEach(async () => {
    fixture = await startFixture()
  })
  afterEach(() => fixture.stop())

  it('is accepted first, writes in between, and ends with its outcome (R1)', async () => {
    fixture.service.script = async (caller) => {
      await caller.send({ kind: 'note', text: 'waiting' })
      await caller.send({ kind: 'stdout', bytes: Buffer.from('hello') })
      return { code: 3, signal: null }
    }
    const channel = await runTask(fixture.socketPath, CAT)
    const frames = await all(channel)
    assert.deepEqual(
      frames.map(({ kind }) => kind),
      ['accepted', 'note', 'stdout', 'exit', 'outcome']
    )
    const last = frames.at(-1)
    assert(last?.kind === 'outcome')
    assert.deepEqual(last.task.exit, { code: 3, signal: null })
    assert.deepEqual(fixture.service.calls, [['runTask', CAT]])
    channel.end()
    assert.equal(await channel.closed, null)
  })

  it('echoes 50 MB both ways at once, byte for byte, in bounded memory (R3)', async function () {
    this.timeout(30_000)
    fixture.service.script = async (caller) => {
      for await (const frame of caller.frames) {
        if (frame.kind === 'stdin') await caller.send({ kind: 'stdout', bytes: frame.bytes })
        else break
      }
      return { code: 0, signal: null }
    }
    const channel = await runTask(fixture.socketPath, CAT)
    const chunk = Buffer.alloc(64 * 1024, 'weaver')
    const chunks = 800
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const sending = (async () => {
      for (let count = 0; count < chunks; count += 1) {
        await channel.send(encodeIoFrame({ kind: 'stdin', bytes: chunk }))
      }
      await channel.send(encodeIoFrame({ kind: 'stdin-end' }))
    })()
    let received = 0
    for await (const bytes of channel.frames) {
      const frame = decodeIoFrame(bytes)
      if (frame.kind !== 'stdout') continue
      assert(Buffer.compare(frame.bytes, chunk) === 0)
      received += frame.bytes.length
      if (received % (32 * chunk.length) !== 0) continue
      collectGarbage() // So that only what is held counts.
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    await sending
    assert.equal(received, chunks * chunk.length)
    assert(most < 26e6, `${most} bytes are held for a stream of ${received}`)
    channel.end()
  })

  it('stops the sender when the task does not read (R3)', async () => {
    const release = Promise.withResolvers<void>()
    fixture.service.script = async () => {
      await release.promise
      return { code: 0, signal: null }
    }
    const channel = await runTask(fixture.socketPath, CAT)
    const frame = encodeIoFrame({ kind: 'stdin', bytes: Buffer.alloc(64 * 1024) })
    let sent = 0
    const state = { isOver: false }
    const sending = (async () => {
      while (!state.isOver) {
        await channel.send(frame)
        sent += frame.length
      }
    })()
    for (let before = -1; before !== sent;) {
      before = sent
      for (let turn = 0; turn < 20; turn += 1) await fixture.client.status()
    }
    assert(sent < 4e6, `${sent} bytes were taken for a task that reads none`)
    state.isOver = true
    // What waits is dropped once the task has ended, and the outcome still comes.
    release.resolve()
    const frames = await all(channel)
    await sending
    assert.equal(frames.at(-1)?.kind, 'outcome')
    channel.end()
  })

  it('goes on after the end of stdin: signals still reach the task', async () => {
    fixture.service.script = async (caller) => {
      for await (const frame of caller.frames) {
        if (frame.kind === 'stdin-end') await caller.send({ kind: 'note', text: 'still here' })
        if (frame.kind === 'signal') return { code: null, signal: frame.name }
      }
      return { code: 1, signal: null }
    }
    const channel = await runTask(fixture.socketPath, CAT)
    await channel.send(encodeIoFrame({ kind: 'stdin-end' }))
    const kinds: string[] = []
    let end: IoFrame | null = null
    for await (const bytes of channel.frames) {
      const frame = decodeIoFrame(bytes)
      kinds.push(frame.kind)
      if (frame.kind === 'note') {
        await channel.send(encodeIoFrame({ kind: 'signal', name: 'SIGTERM' }))
      }
      end = frame
    }
    assert(end?.kind === 'outcome')
    assert.deepEqual(end.task.exit, { code: null, signal: 'SIGTERM' })
    channel.end()
  })

  it('that is denied ends with the failure, and nothing else', async () => {
    fixture.service.failure = new WeaverError('GOVERNANCE_DENIED', 'No')
    const frames = await all(await runTask(fixture.socketPath, CAT))
    const error = { code: 'GOVERNANCE_DENIED', message: 'No', hint: null }
    assert.deepEqual(frames, [{ kind: 'failure', error }])
  })

  it('that is malformed ends with the failure, and the kernel does not hear of it', async () => {
    const frames = await all(await runTask(fixture.socketPath, { ...CAT, command: [] }))
    assert(frames[0]?.kind === 'failure')
    assert.equal(frames[0].error.code, 'API_INVALID_REQUEST')
    assert.deepEqual(fixture.service.calls, [])
  })

  it('hears that its caller has left', async () => {
    const heard = Promise.withResolvers<unknown>()
    fixture.service.script = async (caller) => {
      try {
        for await (const frame of caller.frames) void frame
        heard.resolve(null)
      } catch (error) {
        heard.resolve(error)
      }
      return { code: 0, signal: null }
    }
    const channel = await runTask(fixture.socketPath, CAT)
    channel.abort(new WeaverError('TEST_GONE', 'gone'))
    const error = await heard.promise
    assert(error instanceof WeaverError)
    assert.equal(error.code, 'API_CLIENT_LEFT')
  })

  it('is cut when its caller sends what only a task may send (R2)', async () => {
    fixture.service.script = async (caller) => {
      for await (const frame of caller.frames) void frame
      return { code: 0, signal: null }
    }
    const channel = await runTask(fixture.socketPath, CAT)
    await channel.send(encodeIoFrame({ kind: 'exit', exit: { code: 0, signal: null } }))
    assert.equal((await channel.closed)?.code, 'API_CLIENT_LEFT')
  })

  it('gives up on a caller that upgrades and then says nothing', async () => {
    const socket = connect(fixture.socketPath)
    socket.write(
      'POST /api/v1/run HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: weft-io\r\n\r\n'
    )
    const [head]: Buffer[] = await once(socket, 'data')
    assert.match(String(head), /^HTTP\/1\.1 101 /)
    await fixture.client.status()
    fixture.clock.advanceTo(millis(SUBMISSION_TIMEOUT_MS))
    const [failure]: Buffer[] = await once(socket, 'data')
    assert.match(String(failure), /API_TIMED_OUT/)
    socket.destroy()
  })

  it('answers an upgrade of any other path with 404', async () => {
    const socket = connect(fixture.socketPath)
    socket.write('GET /x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: weft-io\r\n\r\n')
    const [answer]: Buffer[] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 404 [\s\S]*API_NOT_FOUND/)
    socket.destroy()
  })

  it('ignores an upgrade to anything else, as HTTP asks', async () => {
    const socket = connect(fixture.socketPath)
    socket.write(
      'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n'
    )
    const [answer]: Buffer[] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 200 /)
    socket.destroy()
  })
})

async function all(channel: FrameChannel): Promise<IoFrame[]> {
  const frames: IoFrame[] = []
  for await (const bytes of channel.frames) frames.push(decodeIoFrame(bytes))
  return frames
}
