import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8, WeaverError } from '../../../../core/index.ts'
import type { FrameChannel } from '../../../../core/index.ts'
import { IO_FRAME_BYTES_MAX } from '../../../../node/api/io-frame.ts'
import { socketChannel } from '../../../../node/api/socket-channel.ts'

const NOTHING = new Uint8Array(0)

describe('socketChannel()', () => {
  let folder = ''
  let server: Server
  let near: Socket
  let far: Socket

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weaver-channel-'))
    server = createServer()
    server.listen(join(folder, 's'))
    await once(server, 'listening')
    near = connect(join(folder, 's'))
    const [socket]: Socket[] = await once(server, 'connection')
    assert(socket !== undefined)
    far = socket
  })

  afterEach(async () => {
    near.destroy()
    far.destroy()
    server.close()
    await rm(folder, { recursive: true })
  })

  it('carries frames whole and in order, both ways, and closes without an error', async () => {
    const [a, b] = [socketChannel(near, NOTHING), socketChannel(far, NOTHING)]
    const big = new Uint8Array(IO_FRAME_BYTES_MAX).fill(7)
    const received = Promise.all([all(a), all(b)])
    for (const frame of [utf8('one'), big, utf8('three')]) await a.send(frame)
    a.end()
    await b.send(utf8('back'))
    b.end()
    const [atA, atB] = await received
    assert.deepEqual(atB, [utf8('one'), big, utf8('three')])
    assert.deepEqual(atA, [utf8('back')])
    assert.deepEqual(await Promise.all([a.closed, b.closed]), [null, null])
  })

  it('goes on sending after the other side has ended its own direction', async () => {
    const [a, b] = [socketChannel(near, NOTHING), socketChannel(far, NOTHING)]
    a.end()
    assert.deepEqual(await all(b), [])
    await b.send(utf8('still'))
    b.end()
    assert.deepEqual(await all(a), [utf8('still')])
  })

  it('begins with the bytes that were read past the upgrade', async () => {
    const channel = socketChannel(near, Uint8Array.of(0, 0, 0, 2, 9))
    far.write(Uint8Array.of(8, 0, 0, 0, 0))
    assert.deepEqual(await all(channel), [Uint8Array.of(9, 8)])
  })

  it('reads frames whose bytes arrive one by one', async () => {
    const channel = socketChannel(near, NOTHING)
    const received = all(channel)
    far.setNoDelay(true)
    for (const byte of [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 1, 4, 0, 0, 0, 0]) {
      await new Promise<void>((resolve) => far.write(Uint8Array.of(byte), () => resolve()))
    }
    assert.deepEqual(await received, [Uint8Array.of(1, 2, 3), Uint8Array.of(4)])
  })

  it('fails when the other side is gone without having ended (C2)', async () => {
    const channel = socketChannel(near, NOTHING)
    far.end(Uint8Array.of(0, 0, 0, 9, 1))
    await assert.rejects(all(channel), { code: 'API_CLIENT_LEFT' })
    assert.equal((await channel.closed)?.code, 'API_CLIENT_LEFT')
    await assert.rejects(channel.send(utf8('x')), { code: 'API_CLIENT_LEFT' })
  })

  it('fails when the other side is gone after it ended and before we did (C2)', async () => {
    const channel = socketChannel(near, NOTHING)
    far.end(Uint8Array.of(0, 0, 0, 0))
    assert.deepEqual(await all(channel), [])
    assert.equal((await channel.closed)?.code, 'API_CLIENT_LEFT')
  })

  it('refuses a frame above the limit without waiting for its bytes', async () => {
    const channel = socketChannel(near, NOTHING)
    far.write(Uint8Array.of(255, 255, 255, 255))
    await assert.rejects(all(channel), { code: 'API_INVALID_FRAME' })
  })

  it('tells the sender when the reader has left early', async () => {
    const [a, b] = [socketChannel(near, NOTHING), socketChannel(far, NOTHING)]
    await a.send(utf8('x'))
    for await (const frame of b.frames) {
      assert.deepEqual(frame, utf8('x'))
      break
    }
    assert.equal((await a.closed)?.code, 'API_CLIENT_LEFT')
  })

  it('ends both directions on abort', async () => {
    const [a, b] = [socketChannel(near, NOTHING), socketChannel(far, NOTHING)]
    a.abort(new WeaverError('TEST_ABORTED', 'enough'))
    assert.equal((await a.closed)?.code, 'TEST_ABORTED')
    assert.equal((await b.closed)?.code, 'API_CLIENT_LEFT')
  })

  it('holds a bounded number of bytes for a reader that does not read (C1)', async () => {
    const [a] = [socketChannel(near, NOTHING), socketChannel(far, NOTHING)]
    const frame = new Uint8Array(64 * 1024)
    let sent = 0
    const state = { isOver: false }
    const pump = (async () => {
      while (!state.isOver) {
        const sending = a.send(frame)
        sent += frame.length
        await sending
      }
    })()
    // The sender stalls: two polls of the event loop later nothing more has been accepted.
    for (let before = -1; before !== sent;) {
      before = sent
      await turns(50)
    }
    state.isOver = true
    assert(sent < 3 * 1024 * 1024, `${sent} bytes were taken for a reader that reads none`)
    a.abort(new WeaverError('TEST_DONE', 'done'))
    await assert.rejects(pump, { code: 'TEST_DONE' })
  })
})

async function all(channel: FrameChannel): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  for await (const frame of channel.frames) frames.push(frame)
  return frames
}

/** So many rounds of the event loop, each with its polling for I/O. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => process.nextTick(() => void pollOnce().then(resolve)))
  }
}

function pollOnce(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const server = createServer()
  server.listen(0, '127.0.0.1', () => server.close(() => resolve()))
  return promise
}
