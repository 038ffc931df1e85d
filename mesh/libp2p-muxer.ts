// Yamux, kept from ending the process, and from saying more than it needs to.

import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { YamuxCredit } from './yamux-credit.ts'

/**
 * Yamux sends from microtasks of its own, where nobody can catch what the connection below throws once it is
 * closed: a peer that goes away in the wrong moment would end this kernel. Here such a connection is cut,
 * and its streams fail like those of any other that broke.
 */
export function withCarefulSend<Components>(
  create: (components: Components) => StreamMuxerFactory
): (components: Components) => StreamMuxerFactory {
  return (components) => {
    const factory = create(components)
    const createStreamMuxer = (connection: MessageStream): StreamMuxer => {
      const send = connection.send.bind(connection)
      const credit = new YamuxCredit()
      connection.send = (data) => {
        try {
          const frame = data instanceof Uint8Array ? credit.pass(data) : data
          return frame === null ? true : send(frame)
        } catch (error) {
          connection.abort(error instanceof Error ? error : new Error(String(error)))
          return false // As one that is full: it is over.
        }
      }
      return factory.createStreamMuxer(connection)
    }
    return { ...factory, protocol: factory.protocol, createStreamMuxer }
  }
}
