import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  callerOf,
  connectRequest,
  refusalOf,
  STOP_ACCEPTED,
  STOP_REFUSED
} from '../../../../mesh/paths/circuit-messages.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

describe('circuit messages', () => {
  it('are the bytes of the specification', () => {
    const id = Uint8Array.of(0x12, 0x02, 9, 9)
    assert.deepEqual(connectRequest(id), bytes('080112060a0412020909'))
    assert.deepEqual(STOP_ACCEPTED, bytes('08012064'))
    assert.deepEqual(STOP_REFUSED, bytes('080120ca01'))
  })

  it('tell an agreement from each refusal, and refuse what is not understood', () => {
    assert.equal(refusalOf(bytes('08022864')), null)
    assert.match(refusalOf(bytes('080228cc01')) ?? '', /no reservation/)
    assert.match(refusalOf(bytes('080228cd01')) ?? '', /status 205/)
    for (const bad of ['', '0802', '0800', '0802286', 'ff', '08022864ff', '0a05']) {
      assert.match(refusalOf(bytes(bad)) ?? '', /not understood/, bad)
    }
  })

  it('name who wants to reach us, and nobody where that is not said', () => {
    assert.deepEqual(callerOf(bytes('080012060a0412020909')), bytes('12020909'))
    for (const bad of ['', '0800', '0801', '08001200', '080012060a0412']) {
      assert.equal(callerOf(bytes(bad)), null, bad)
    }
  })

  it('never throw, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (any) => {
        refusalOf(any)
        callerOf(any)
      }),
      { seed: 7, numRuns: 2000 }
    )
  })
})
