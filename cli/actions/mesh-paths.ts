import type { Netcheck, PathPing } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { oneLine, pairs } from '../output.ts'
import { orNothing } from '../quantity.ts'

const PING_COUNT = 10
const PING_INTERVAL_MS = 1000

/** Ends at the first answer over a direct path. */
export const ping: Runner = async ({ client, output }, args) => {
  const { sleep } = await import('../clock.ts')
  const count = args.count('count', PING_COUNT)
  const node = args.words[0] ?? ''
  for (let sent = 1; ; sent++) {
    const answer = await client.pingNode(node)
    await output.item(answer, pingText)
    if (answer.connection === 'direct') return EXIT.done
    if (sent === count) return EXIT.failed
    await sleep(PING_INTERVAL_MS)
  }
}

function pingText({ node, rttMs, connection, path, relay, address }: PathPing): string {
  const way = connection === 'direct' ? `directly (${path})` : `through ${relay ?? 'a relay'}`
  return `${node} answered in ${rttMs.toFixed(1)} ms, ${way}, ${address.replace(/\/p2p\/[^/]+$/, '')}`
}

export const netcheck: Runner = async ({ client, output }) => {
  const { withProgress } = await import('../clock.ts')
  const found = await withProgress(
    () => output.note('weaver: asking the network ...'),
    client.netcheck()
  )
  await output.document(found, netcheckText)
  return EXIT.done
}

function upnpText({ upnp, mapped }: Netcheck): string {
  if (mapped.length > 0) return `the router has opened ${mapped.join(', ')}`
  return upnp ? 'a router answers, no port is open' : 'no router answers'
}

function netcheckText(found: Netcheck): string {
  const relays = found.relays.map(({ node, rttMs }) =>
    rttMs === null ? `${node} (no answer)` : `${node} ${rttMs.toFixed(1)}ms`
  )
  const report = pairs([
    ['IPv6', orNothing(found.ipv6.join(', '))],
    ['LAN multicast', found.multicast ? 'works' : 'does not work'],
    ['UPnP', upnpText(found)],
    ['relays', orNothing(relays.join(', '))],
    ['members', `${found.direct} direct, ${found.relayed} relayed`],
    ['listens on', orNothing(found.listen.join(', '))]
  ])
  const advice = found.advice.map((line) => `- ${oneLine(line)}`)
  return advice.length === 0 ? report : `${report}\n\nTo do:\n${advice.join('\n')}`
}
