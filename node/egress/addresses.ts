// Which addresses are the public network. Everything else is somebody's inside: this machine, the networks that it is
// in, a private network, a cloud's metadata service. Pure.

import { isIPv4, isIPv6 } from 'node:net'

/** Networks that are not the public internet. */
const CLOSED_V4: readonly (readonly [address: string, prefixLength: number])[] = [
  ['0.0.0.0', 8], // This network.
  ['10.0.0.0', 8], // Private.
  ['100.64.0.0', 10], // Carriers' own, and overlays.
  ['127.0.0.0', 8], // This machine.
  ['169.254.0.0', 16], // Link-local: metadata services.
  ['172.16.0.0', 12], // Private.
  ['192.0.0.0', 24], // Protocol assignments.
  ['192.0.2.0', 24], // Documentation.
  ['192.88.99.0', 24], // 6to4 relays.
  ['192.168.0.0', 16], // Private.
  ['198.18.0.0', 15], // Benchmarks.
  ['198.51.100.0', 24], // Documentation.
  ['203.0.113.0', 24], // Documentation.
  ['224.0.0.0', 4], // Multicast.
  ['240.0.0.0', 4] // Reserved, and broadcast.
]
/** A cloud's own services at public-looking addresses. */
const METADATA_V4: ReadonlySet<string> = new Set(['168.63.129.16'])

/** Whether anybody on the internet would reach the same host at this address. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return isPublicV4(bytesOfV4(address))
  const bytes = bytesOfV6(address)
  return bytes !== null && isPublicV6(bytes)
}

/** An address of this machine, and how long the beginning is that it shares with its neighbours. */
export interface OwnAddress {
  readonly address: string
  readonly prefixLength: number
}

/** Shorter ones are no network of neighbours: a tunnel may claim half of the internet for its own. */
const NEIGHBOURS_V4_MIN = 16
const NEIGHBOURS_V6_MIN = 48

/**
 * Whether this is the machine itself, or a neighbour on a network that it is in: with addresses that anybody on the
 * internet could have, and often behind a firewall that keeps all but neighbours out.
 */
export function isNearAddress(address: string, own: readonly OwnAddress[]): boolean {
  const bytes = carriedBytes(address)
  if (bytes === null) return true // No address at all.
  return own.some((each) => {
    const mine = carriedBytes(each.address.replace(/%.*$/, ''))
    if (mine === null || mine.length !== bytes.length) return false
    const least = mine.length === 4 ? NEIGHBOURS_V4_MIN : NEIGHBOURS_V6_MIN
    const shared = each.prefixLength < least ? mine.length * 8 : each.prefixLength
    return beginAlike(mine, bytes, shared)
  })
}

/** Whether the first `length` bits of two addresses are the same. */
function beginAlike(one: readonly number[], other: readonly number[], length: number): boolean {
  return one.every((byte, at) => {
    const rest = 8 - Math.min(8, Math.max(0, length - at * 8))
    return byte >> rest === (other[at] ?? 0) >> rest
  })
}

/** The bytes of what is reached in the end. */
function carriedBytes(address: string): readonly number[] | null {
  if (isIPv4(address)) return bytesOfV4(address)
  const bytes = bytesOfV6(address)
  return bytes === null ? null : (carriedV4(bytes) ?? bytes)
}

/** One spelling for each address, `null` for what is none. `::ffff:1.2.3.4` is the address inside. */
export function canonicalAddress(address: string): string | null {
  if (isIPv4(address)) return bytesOfV4(address).join('.')
  const bytes = bytesOfV6(address)
  if (bytes === null) return null
  return isMapped(bytes)
    ? bytes.slice(12).join('.')
    : bytes.map((byte) => byte.toString(16)).join(':')
}

function isPublicV4(bytes: readonly number[]): boolean {
  if (METADATA_V4.has(bytes.join('.'))) return false
  return !CLOSED_V4.some(([address, length]) => beginAlike(bytesOfV4(address), bytes, length))
}

function isPublicV6(bytes: readonly number[]): boolean {
  const carried = carriedV4(bytes)
  if (carried !== null) return isPublicV4(carried)
  const first = (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)
  const second = (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0)
  // Of the rest only global unicast is open, without Teredo, documentation, benchmarks and ORCHID.
  if (first < 0x2000 || first > 0x3fff) return false
  if (first === 0x2001 && second < 0x0200) return false
  if (first === 0x2001 && second === 0x0db8) return false
  return !(first === 0x3fff && second < 0x1000)
}

/** The IPv4 address that an IPv6 address stands for, or null. */
function carriedV4(bytes: readonly number[]): readonly number[] | null {
  const first = (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)
  const second = (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0)
  // Mapped and NAT64 addresses are the IPv4 address in their last four bytes.
  const isNat64 = first === 0x64 && second === 0xff9b && isZero(bytes, 4, 12)
  if (isMapped(bytes) || isNat64) return bytes.slice(12)
  // 6to4 carries it in bytes 2 to 5.
  return first === 0x2002 ? bytes.slice(2, 6) : null
}

function isZero(bytes: readonly number[], from: number, to: number): boolean {
  return bytes.slice(from, to).every((byte) => byte === 0)
}

function isMapped(bytes: readonly number[]): boolean {
  return isZero(bytes, 0, 10) && bytes[10] === 0xff && bytes[11] === 0xff
}

function bytesOfV4(address: string): readonly number[] {
  return address.split('.').map(Number)
}

function bytesOfV6(text: string): readonly number[] | null {
  // A zone names an interface of this machine: never public.
  if (!isIPv6(text) || text.includes('%')) return null
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const tail = dotted === null ? [] : bytesOfV4(dotted[2] ?? '')
  const colons = dotted === null ? text : (dotted[1] ?? '').replace(/([^:]):$/, '$1')
  const [head = '', rest] = colons.split('::')
  const left = groupsOf(head)
  const right = groupsOf(rest ?? '')
  const missing = 16 - left.length - right.length - tail.length
  if (missing < 0) return null
  const gap = Array.from({ length: missing }, () => 0)
  return [...left, ...gap, ...right, ...tail]
}

function groupsOf(text: string): readonly number[] {
  const groups = text.split(':').filter((group) => group !== '')
  return groups.flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
