// The addresses to listen on: what they say, what became of them, and why one could not be taken.

import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Logger } from '../core/index.ts'
import { listenFailed } from './host-errors.ts'
import { isLoopback } from './paths/path.ts'

interface Transport {
  listen(addresses: Multiaddr[]): Promise<void>
}

/** @throws WeaverError `MESH_LISTEN_FAILED` */
export async function listenOnAll(
  listen: readonly string[],
  transport: Transport,
  log: Logger
): Promise<void> {
  let isListening = false
  for (const address of listen.map(parsedListenAddress)) {
    try {
      await transport.listen([address])
      isListening = true
    } catch (error) {
      // Many machines have no IPv6: the wildcard then has nothing to stand for.
      const isAbsent = isListening && address.toString().startsWith('/ip6/::/')
      const why = listenFailure(error)
      if (!isAbsent || why !== NO_SUCH_ADDRESS) throw listenFailed(address.toString(), why, error)
      log.info('not listening on IPv6', { address: address.toString() })
    }
  }
}

/** The TCP ports, without WebSockets, on which other machines may reach us over IPv4. */
export function openPorts(listen: readonly string[]): readonly number[] {
  const ports = listen.flatMap((text) => {
    const port = /^\/ip4\/[^/]+\/tcp\/(\d+)$/.exec(text)?.[1]
    return port === undefined || port === '0' || isLoopback(text) ? [] : [Number(port)]
  })
  return [...new Set(ports)]
}

/** The free ports that were taken, so that a restart takes them again. */
export function withPorts(listen: readonly string[], own: readonly Multiaddr[]): readonly string[] {
  const texts = own.map((address) => address.toString())
  return listen.map((wanted) => {
    const [, family, rest] = /^\/(ip[46])\/.+\/tcp\/0(\/ws)?$/.exec(wanted) ?? []
    if (family === undefined) return wanted
    const taken = texts.find(
      (text) => text.startsWith(`/${family}/`) && text.endsWith('/ws') === (rest !== undefined)
    )
    const port = /\/tcp\/(\d+)/.exec(taken ?? '')?.[1]
    return port === undefined ? wanted : wanted.replace('/tcp/0', `/tcp/${port}`)
  })
}

function parsedListenAddress(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (error) {
    throw listenFailed(text, 'it is no multiaddr, such as /ip4/0.0.0.0/tcp/4801', error)
  }
}

const NO_SUCH_ADDRESS = 'this machine has no such address'

/** libp2p gives the cause in the text of its message alone. */
function listenFailure(error: unknown): string {
  const text = String(error)
  if (text.includes('EADDRINUSE')) return 'the port is in use'
  if (text.includes('EACCES')) return 'permission denied'
  if (/EADDRNOTAVAIL|EAFNOSUPPORT|ENOTFOUND/.test(text)) return NO_SUCH_ADDRESS
  return 'it is not an address that TCP can listen on'
}
