import assert from 'node:assert/strict'
import { Feed } from '../../../node/feed.ts'

async function take<T>(
  feed: Feed<T>,
  after: string | null,
  count: number
): Promise<{ id: string; item: T }[]> {
  const taken: { id: string; item: T }[] = []
  for await (const streamed of feed.stream(after, new AbortController().signal)) {
    taken.push(streamed)
    if (taken.length === count) break
  }
  return taken
}

describe('node/feed', () => {
  it('a reader without an id sees only what comes after it began', async () => {
    const feed = new Feed<number>('boot', 10)
    feed.publish(1)
    const reader = take(feed, null, 2)
    await Promise.resolve()
    feed.publish(2)
    feed.publish(3)
    assert.deepEqual(
      (await reader).map(({ item }) => item),
      [2, 3]
    )
  })

  it('a reader resumes after the id it saw last', async () => {
    const feed = new Feed<number>('boot', 10)
    for (const item of [1, 2, 3]) feed.publish(item)
    assert.deepEqual(await take(feed, 'boot.1', 2), [
      { id: 'boot.2', item: 2 },
      { id: 'boot.3', item: 3 }
    ])
  })

  it('an id of another kernel, from the future, or gone from memory resumes at the oldest', async () => {
    const feed = new Feed<number>('boot', 2)
    for (const item of [1, 2, 3]) feed.publish(item)
    for (const id of ['old.2', 'boot.99', 'boot.x', '']) {
      assert.deepEqual(await take(feed, id, 1), [{ id: 'boot.2', item: 2 }], id)
    }
    assert.deepEqual(await take(feed, 'boot.0', 1), [{ id: 'boot.2', item: 2 }])
  })

  it('a slow reader skips what has left the bounded memory', async () => {
    const feed = new Feed<number>('boot', 2)
    feed.publish(1)
    const reader = feed.stream('boot.0', new AbortController().signal)
    await reader.next()
    for (const item of [2, 3, 4]) feed.publish(item)
    assert.equal((await reader.next()).value?.item, 3)
  })

  it('abort and close end a waiting reader without an error', async () => {
    const feed = new Feed<number>('boot', 2)
    const stop = new AbortController()
    const first = feed.stream(null, stop.signal).next()
    const second = feed.stream(null, new AbortController().signal).next()
    stop.abort()
    assert.equal((await first).done, true)
    feed.close()
    assert.equal((await second).done, true)
  })
})
