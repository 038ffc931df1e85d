import assert from 'node:assert/strict'
import { z } from 'zod'
import { WeaverError } from '../../../core/index.ts'
import { answered, received } from '../../../node/remote/received.ts'

const orderSchema = z.object({ name: z.string().max(8), limits: z.object({ count: z.int() }) })

describe('what a peer asks for', () => {
  it('is read as its schema has it', () => {
    const order = { name: 'hash', limits: { count: 1 } }
    assert.deepEqual(received(orderSchema, { ...order, more: 'unknown' }), order)
  })

  for (const [body, said] of [
    [null, 'it must be an object, is null'],
    [{ limits: { count: 1 } }, "'name' is missing"],
    [
      { name: 'hash', limits: { count: 'secret-4711' } },
      "'limits.count' must be a number, is a text"
    ]
  ] as const) {
    it(`is refused with the place of the mistake, and without the value: ${said}`, () => {
      assert.throws(
        () => received(orderSchema, body),
        (error) =>
          error instanceof WeaverError &&
          error.code === 'NODE_REQUEST_INVALID' &&
          error.message.endsWith(`request: ${said}`) &&
          !error.message.includes('4711')
      )
    })

    it(`is told of an answer in the same words: ${said}`, () => {
      assert.throws(() => answered(orderSchema, body), {
        code: 'NODE_REMOTE_ANSWER_INVALID',
        message: `Cannot read the other node's answer: ${said}`
      })
    })
  }
})
