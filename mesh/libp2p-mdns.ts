// Multicast DNS on the LAN: says where this node listens, and hears where others do. What is heard is a
// hint that anybody on the LAN can forge; who answers there is for the handshake to say.

import { start, stop } from '@libp2p/interface'
import type { PeerDiscovery, PeerId } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import type { MulticastDNSComponents } from '@libp2p/mdns'
import type { Logger, Millis } from '../core/index.ts'

export interface MulticastDeps extends MulticastDNSComponents {
  readonly log: Logger
  readonly found: (peer: PeerId, addresses: readonly string[]) => void
}

/** One life of it: another tag, pace or interface needs another one. Asks at its start, then every `queryMs`. */
export class Multicast {
  readonly #log: Logger
  readonly #discovery: PeerDiscovery

  constructor(deps: MulticastDeps, options: { readonly tag: string; readonly queryMs: Millis }) {
    const { addressManager, logger, log, found } = deps
    this.#log = log
    const init = { serviceTag: options.tag, interval: options.queryMs }
    this.#discovery = mdns(init)({ addressManager, logger })
    this.#discovery.addEventListener('peer', ({ detail: { id, multiaddrs } }) => {
      found(
        id,
        multiaddrs.map((address) => address.toString())
      )
    })
  }

  async start(): Promise<void> {
    try {
      await start(this.#discovery)
    } catch (error) {
      this.#log.info('not announced on the LAN', { error: String(error) })
    }
  }

  async stop(): Promise<void> {
    try {
      await stop(this.#discovery)
    } catch (error) {
      this.#log.debug('multicast did not stop', { error: String(error) })
    }
  }
}
