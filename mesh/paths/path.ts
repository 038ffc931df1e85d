// What an address says about the path to it, and which of two paths is better. Pure.
//
// Invariants
//   Q1. A path is only ever left for one of a better kind, so two ends that see the same kinds never
//       swap a connection back and forth.

/** Best first. `lan` is also loopback, and an address of a kind that is not known here. */
export const PATH_KINDS = ['lan', 'overlay', 'public', 'relay'] as const
export type PathKind = (typeof PATH_KINDS)[number]

const CIRCUIT = '/p2p-circuit'

/** The kind of path that the multiaddr at the other end of a connection stands for. */
export function pathKind(address: string): PathKind {
  if (address.includes(CIRCUIT)) return 'relay'
  const [, family, host] = address.split('/')
  if (host === undefined) return 'lan'
  if (family === 'ip4') return kindOfIp4(host)
  if (family === 'ip6') return kindOfIp6(host.toLowerCase())
  return family?.startsWith('dns') === true ? 'public' : 'lan'
}

/** The node that carries a relayed path; null for a direct one. */
export function relayOf(address: string): string | null {
  const [relay, rest] = address.split(CIRCUIT)
  if (rest === undefined || relay === undefined) return null
  return /\/p2p\/([^/]+)$/.exec(relay)?.[1] ?? null
}

/** The address of `peer` through `relay`, over whatever connection to the relay there is. */
export function circuitAddress(relay: string): string {
  return `/p2p/${relay}${CIRCUIT}`
}

export function isBetterPath(candidate: string, current: string): boolean {
  return rank(candidate) < rank(current)
}

/**
 * The order in which addresses are tried: where we got through last, then by kind; the first relay comes
 * third, so that a peer whose direct addresses are all dead does not wait for each of them.
 */
export function dialOrder(addresses: readonly string[]): readonly string[] {
  const [first, ...others] = addresses
  if (first === undefined) return []
  const known = rank(first) === rank(CIRCUIT) ? [] : [first]
  const rest = known.length === 0 ? addresses : others
  const ranked = rest.toSorted((a, b) => rank(a) - rank(b))
  const direct = [...known, ...ranked.filter((each) => pathKind(each) !== 'relay')]
  const relayed = ranked.filter((each) => pathKind(each) === 'relay')
  return [...direct.slice(0, 2), ...relayed.slice(0, 1), ...direct.slice(2), ...relayed.slice(1)]
}

/** The address of the machine alone; of a circuit, the relay. */
export function hostOf(address: string): string {
  return address.split('/')[2] ?? ''
}

/** Whether it means this machine, on every machine. */
export function isLoopback(address: string): boolean {
  return address.startsWith('/ip4/127.') || address.startsWith('/ip6/::1/')
}

function rank(address: string): number {
  return PATH_KINDS.indexOf(pathKind(address))
}

function kindOfIp4(host: string): PathKind {
  const [a = -1, b = -1] = host.split('.').map(Number)
  if (a === 100 && b >= 64 && b < 128) return 'overlay' // Tailscale and other carriers of RFC 6598.
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)
  return isPrivate || a === 127 || (a === 169 && b === 254) ? 'lan' : 'public'
}

function kindOfIp6(host: string): PathKind {
  if (host === '::1' || /^fe[89ab]/.test(host)) return 'lan'
  if (host.startsWith('::ffff:')) return kindOfIp4(host.slice(7))
  return /^f[cd]/.test(host) ? 'overlay' : 'public' // Unique local: Tailscale's fd7a:115c:a1e0::/48, WireGuard.
}
