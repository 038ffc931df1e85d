import assert from 'node:assert/strict'
import { withCarefulSend } from '../../../../mesh/libp2p-muxer.ts'

type Factory = ReturnType<Parameters<typeof withCarefulSend>[0]>
type MessageStream = Parameters<Factory['createStreamMuxer']>[0]

describe('withCarefulSend()', () => {
  it('cuts a connection that is closed under its muxer, and throws nothing into it', () => {
    const aborted: Error[] = []
    const connection = {
      send: (): boolean => {
        throw new Error('Cannot write to a stream that is closed')
      },
      abort: (error: Error) => void aborted.push(error)
    } as unknown as MessageStream
    const given: MessageStream[] = []
    const factory = {
      protocol: '/yamux/1.0.0',
      createStreamMuxer: (stream: MessageStream) => {
        given.push(stream)
        return null
      }
    } as unknown as Factory
    const safe = withCarefulSend(() => factory)({})
    assert.equal(safe.protocol, '/yamux/1.0.0')
    safe.createStreamMuxer(connection)
    assert.deepEqual(given, [connection])
    assert.equal(connection.send(new Uint8Array(1)), false)
    assert.equal(aborted.length, 1)
  })

  it('passes on what a sound connection answers', () => {
    const sent: unknown[] = []
    const connection = {
      send: (data: Uint8Array): boolean => {
        sent.push(data)
        return sent.length < 2
      }
    } as unknown as MessageStream
    const factory = { protocol: 'y', createStreamMuxer: () => null } as unknown as Factory
    withCarefulSend(() => factory)({}).createStreamMuxer(connection)
    assert.equal(connection.send(Uint8Array.of(1)), true)
    assert.equal(connection.send(Uint8Array.of(2)), false)
    assert.deepEqual(sent, [Uint8Array.of(1), Uint8Array.of(2)])
  })

  it('sends a window update when it is worth it, and answers for it meanwhile', () => {
    const sent: unknown[] = []
    const connection = {
      send: (data: Uint8Array): boolean => {
        sent.push(data)
        return false
      }
    } as unknown as MessageStream
    const factory = { protocol: 'y', createStreamMuxer: () => null } as unknown as Factory
    withCarefulSend(() => factory)({}).createStreamMuxer(connection)
    const update = (high: number): Uint8Array =>
      Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1, 0, high, 0, 0)
    assert.equal(connection.send(update(1)), true)
    assert.equal(connection.send(update(1)), false)
    assert.deepEqual(sent, [update(2)])
  })
})
