import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { underEither } from '../../../core/index.ts'

const untilAborted = (signal: AbortSignal): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>()
  if (signal.aborted) reject(signal.reason)
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return promise
}

describe('underEither()', () => {
  it('ends the work with the parent, for the reason of the parent', async () => {
    const parent = new AbortController()
    const work = underEither(parent.signal, new AbortController(), untilAborted)
    parent.abort(new Error('the kernel stops'))
    await assert.rejects(work, /the kernel stops/)
    const late = underEither(parent.signal, new AbortController(), untilAborted)
    await assert.rejects(late, /the kernel stops/)
  })

  it('ends the work with its own controller and leaves the parent alone', async () => {
    const parent = new AbortController()
    const own = new AbortController()
    const work = underEither(parent.signal, own, untilAborted)
    own.abort(new Error('another timer was set'))
    await assert.rejects(work, /another timer was set/)
    assert.equal(parent.signal.aborted, false)
  })

  it('leaves no listener at the parent, whatever became of the work', async () => {
    const parent = new AbortController()
    for (let round = 0; round < 100; round++) {
      await underEither(parent.signal, new AbortController(), async () => null)
      const failing = underEither(parent.signal, new AbortController(), () =>
        Promise.reject(new Error('failed'))
      )
      await assert.rejects(failing, /failed/)
    }
    assert.equal(getEventListeners(parent.signal, 'abort').length, 0)
  })
})
