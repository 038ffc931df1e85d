import assert from 'node:assert/strict'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { AbstractMessageStream, multiaddrConnectionPair } from '@libp2p/utils'
import { STREAM_WINDOW_BYTES_MAX } from '../../../../mesh/host-limits.ts'
import { Libp2pByteStream } from '../../../../mesh/libp2p-stream.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'

const DATA = 0
const WINDOW_UPDATE = 1
const WINDOW = 256 * 1024

interface Pair {
  readonly out: Libp2pByteStream
  readonly into: Libp2pByteStream
  /** Types of the frames that the receiving end has written since. */
  readonly answers: number[]
}

async function opened(): Promise<Pair> {
  const [here, there] = multiaddrConnectionPair()
  const answers: number[] = []
  assert.ok(there instanceof AbstractMessageStream)
  const sendData = there.sendData.bind(there)
  there.sendData = (data) => {
    answers.push(data.get(1))
    return sendData(data)
  }
  const options = {
    enableKeepAlive: false,
    streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX }
  }
  const create = yamux(options)()
  const muxer = create.createStreamMuxer(here)
  const other: StreamMuxer = create.createStreamMuxer(there)
  const incoming = Promise.withResolvers<Stream>()
  other.addEventListener('stream', ({ detail }) => incoming.resolve(detail))
  const outgoing = await muxer.createStream()
  const out = new Libp2pByteStream(outgoing)
  const into = new Libp2pByteStream(await incoming.promise)
  return { out, into, answers }
}

async function taken(stream: Libp2pByteStream, bytes: number): Promise<void> {
  const chunks = stream.chunks[Symbol.asyncIterator]()
  for (let left = bytes; left > 0;) {
    const next = await chunks.next()
    assert.ok(next.done !== true)
    left -= next.value.length
  }
}

describe('tellLess()', () => {
  it('answers a hundred short messages with none about the window', async () => {
    const { out, into, answers } = await opened()
    const reading = taken(into, 100 * 200)
    for (let count = 0; count < 100; count += 1) await out.write(new Uint8Array(200))
    await reading
    // The first acknowledges the stream itself.
    assert.ok(answers.length <= 1, `${answers.length} frames`)
  })

  it('tells of room before the peer has none: ten windows come through, two answers each', async () => {
    const { out, into, answers } = await opened()
    const reading = taken(into, 10 * WINDOW)
    for (let sent = 0; sent < 10 * WINDOW; sent += 32_768) await out.write(new Uint8Array(32_768))
    await reading
    assert.ok(!answers.includes(DATA))
    const updates = answers.filter((type) => type === WINDOW_UPDATE).length
    assert.ok(updates >= 10 && updates <= 22, `${updates} updates`)
  })

  it('tells who waits of all the room there is once a slow reader goes on', async () => {
    const { out, into } = await opened()
    let written = 0
    const writing = (async (): Promise<void> => {
      for (; written < 8 * WINDOW; written += 32_768) await out.write(new Uint8Array(32_768))
    })()
    await untilQuiet()
    assert.ok(written < 8 * WINDOW)
    await taken(into, 8 * WINDOW)
    await writing
    assert.equal(written, 8 * WINDOW)
  })
})
