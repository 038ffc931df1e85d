// The same port at every start: members remember where a node listened, and dial it there.

import { createServer } from 'node:net'
import { utf8 } from '../core/index.ts'
import type { KeyValueStore } from '../core/index.ts'

const KEY = 'node/listen-ports'

/**
 * Replaces `tcp/0` by the port that was free at an earlier start, if it still is. A port that the user
 * names is left alone: that it is in use is then for the network to say.
 */
export async function withRememberedPorts(
  store: KeyValueStore,
  listen: readonly string[]
): Promise<readonly string[]> {
  const remembered = await read(store)
  return await Promise.all(
    listen.map(async (address) => {
      const family = familyOf(address)
      const port = family === null ? undefined : remembered[family]
      if (port === undefined || !address.endsWith('/tcp/0')) return address
      return (await isFree(port, family === 'ip6' ? '::' : '0.0.0.0'))
        ? address.replace(/0$/, String(port))
        : address
    })
  )
}

/** Keeps the ports of the addresses that the network listens on now. */
export async function rememberPorts(
  store: KeyValueStore,
  addresses: readonly string[]
): Promise<void> {
  const ports: Record<string, number> = {}
  for (const address of addresses) {
    if (address.includes('/ws/')) continue // Asked for by its port, or taken anew.
    const family = familyOf(address)
    const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1])
    if (family !== null && Number.isInteger(port)) ports[family] ??= port
  }
  await store.write([{ key: KEY, value: utf8(JSON.stringify(ports)) }])
}

function familyOf(address: string): 'ip4' | 'ip6' | null {
  if (address.startsWith('/ip4/')) return 'ip4'
  return address.startsWith('/ip6/') ? 'ip6' : null
}

async function read(store: KeyValueStore): Promise<Readonly<Record<string, number>>> {
  const bytes = await store.get(KEY)
  if (bytes === null) return {}
  const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (typeof parsed !== 'object' || parsed === null) return {}
  return Object.fromEntries(
    Object.entries(parsed).filter(
      (pair): pair is [string, number] => Number.isInteger(pair[1]) && pair[1] > 0
    )
  )
}

function isFree(port: number, host: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ port, host, ipv6Only: host === '::' }, () => server.close(() => resolve(true)))
  return promise
}
