import assert from 'node:assert/strict'
import { readEvents } from '../../../../node/api/event-stream.ts'

async function* pieces(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

async function items(...texts: readonly string[]): Promise<unknown[]> {
  const seen: unknown[] = []
  for await (const item of readEvents(pieces(...texts))) seen.push(item)
  return seen
}

describe('readEvents()', () => {
  it('reads items cut at any byte, and passes comments and unknown events over', async () => {
    const text =
      ': weaver\n\nevent: item\nid: 1\ndata: {"a":"ü"}\n\nevent: news\ndata: 1\n\n' +
      'event: item\nid: 2\ndata: 2\n\nevent: end\ndata: {}\n\n'
    const bytes = [...Buffer.from(text)]
    async function* singles(): AsyncGenerator<Buffer> {
      for (const byte of bytes) yield Buffer.from([byte])
    }
    const seen: unknown[] = []
    for await (const item of readEvents(singles())) seen.push(item)
    assert.deepEqual(seen, [
      { id: '1', item: { a: 'ü' } },
      { id: '2', item: 2 }
    ])
  })

  it('stops at the end event, whatever follows', async () => {
    assert.deepEqual(await items('event: end\ndata: {}\n\nevent: item\nid: 1\ndata: 1\n\n'), [])
  })

  it('throws the error that the server reports', async () => {
    const error = { code: 'A_B', message: 'm', hint: 'h' }
    await assert.rejects(items(`event: error\ndata: ${JSON.stringify({ error })}\n\n`), error)
  })

  it('refuses data that is not JSON', async () => {
    await assert.rejects(items('event: item\nid: 1\ndata: {\n\n'), { code: 'API_ANSWER_DAMAGED' })
  })

  it('refuses an event without an end', async () => {
    await assert.rejects(items('x'.repeat(5 * 1024 * 1024)), { code: 'API_ANSWER_DAMAGED' })
  })
})
