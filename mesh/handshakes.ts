// Handshakes under way, by where they come from: one address, or one IPv6 network, cannot take all the room.

/** Frees the room again. May be called twice. */
type Finish = () => void

export class Handshakes {
  readonly #perAddressMax: number
  readonly #underWay = new Map<string, number>()

  constructor(options: { readonly perAddressMax: number }) {
    this.#perAddressMax = options.perAddressMax
  }

  /** Takes room for one from the multiaddr `from`; null where it has as many as it may have. */
  begin(from: string): Finish | null {
    const origin = originOf(from)
    const count = this.#underWay.get(origin) ?? 0
    if (count >= this.#perAddressMax) return null
    this.#underWay.set(origin, count + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const left = (this.#underWay.get(origin) ?? 1) - 1
      if (left > 0) this.#underWay.set(origin, left)
      else this.#underWay.delete(origin)
    }
  }

  /** Where any are under way. */
  get origins(): number {
    return this.#underWay.size
  }
}

/** The IPv4 address, or the first 64 bits of the IPv6 address: a household has all of those. */
function originOf(address: string): string {
  const [, kind, host = ''] = address.split('/')
  if (kind !== 'ip6') return host
  const [head = '', tail] = host.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  const after = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length)
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after]
  return all.slice(0, 4).join(':')
}
