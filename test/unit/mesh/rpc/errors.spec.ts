import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeCbor, WeaverError } from '../../../../core/index.ts'
import { decodeError, encodeError } from '../../../../mesh/rpc/errors.ts'
import { ERROR_BYTES_MAX, ERROR_MESSAGE_LENGTH_MAX } from '../../../../mesh/rpc/limits.ts'

describe('an error on the wire', () => {
  it('keeps its code, message and retry class', () => {
    for (const retry of ['never', 'later', 'elsewhere'] as const) {
      const there = decodeError(
        encodeError(new WeaverError('ROOM_WHAT_HAPPENED', 'Why', { retry }))
      )
      assert.equal(there.code, 'ROOM_WHAT_HAPPENED')
      assert.equal(there.message, 'Why')
      assert.equal(there.retry, retry)
    }
  })

  it('says nothing of what is no WeaverError', () => {
    const there = decodeError(encodeError(new TypeError('secret path /home/me')))
    assert.equal(there.code, 'MESH_REMOTE_FAILED')
    assert.doesNotMatch(there.message, /secret/)
  })

  it('has its message cut to a bound, whatever characters are in it', () => {
    for (const character of ['a', '€', '\u{1f600}', '\ud800']) {
      const bytes = encodeError(new WeaverError('ROOM_WHAT_HAPPENED', character.repeat(5000)))
      assert.ok(bytes.length <= ERROR_BYTES_MAX)
      assert.ok(decodeError(bytes).message.length <= ERROR_MESSAGE_LENGTH_MAX)
      assert.equal(decodeError(bytes).code, 'ROOM_WHAT_HAPPENED')
    }
  })

  it('becomes MESH_REMOTE_FAILED when its bytes are anything else', () => {
    const fields = [
      [3, 'ROOM_X', 'why'],
      [0, 'not a code', 'why'],
      [0, 'ROOM_X'.padEnd(80, 'X'), 'why'],
      [0, 'ROOM_X', 7],
      { code: 'ROOM_X' }
    ]
    for (const field of fields) {
      assert.equal(decodeError(encodeCbor(field)).code, 'MESH_REMOTE_FAILED')
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.ok(decodeError(bytes) instanceof WeaverError)
      })
    )
  })
})
