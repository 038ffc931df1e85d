// Golden bytes of version 1 (docs/formats/rpc.md). A change here is a new version of the protocol.

import assert from 'node:assert/strict'
import { fromHex, millis, toHex, WeaverError } from '../../../../core/index.ts'
import { encodeError } from '../../../../mesh/rpc/errors.ts'
import { decodeRequest, encodeRequest } from '../../../../mesh/rpc/request.ts'

describe('RPC on the wire, version 1', () => {
  it('has a request as timeout, method and body', () => {
    const bytes = encodeRequest('ping', { n: 1 }, millis(30_000))
    assert.equal(toHex(bytes), '000075300470696e67a1616e01')
    const request = { method: 'ping', timeoutMs: 30_000, body: { n: 1 } }
    assert.deepEqual(decodeRequest(bytes), request)
  })

  it('refuses the name of a method that is not UTF-8', () => {
    const bytes = encodeRequest('read', null, null)
    bytes[5] = 0xff
    assert.throws(() => decodeRequest(bytes), { code: 'MESH_PROTOCOL_VIOLATED' })
  })

  it('has 0 for no timeout, and never for a short one', () => {
    assert.equal(toHex(encodeRequest('a', null, null)), '000000000161f6')
    assert.equal(toHex(encodeRequest('a', null, millis(0))), '000000010161f6')
  })

  it('has an error as retry class, code and message', () => {
    const error = new WeaverError('A_B', 'Why', { retry: 'later' })
    assert.equal(toHex(encodeError(error)), '830163415f4263576879')
  })

  it('refuses a request that ends early or has no sound body', () => {
    for (const hex of ['', '00000000', '0000000001', '000000000161', '00000000016118']) {
      const bytes = fromHex(hex) ?? new Uint8Array()
      assert.throws(() => decodeRequest(bytes), { code: 'MESH_PROTOCOL_VIOLATED' }, hex)
    }
  })
})
