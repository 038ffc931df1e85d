// Where a connection may go: pure decisions.
//
// Invariants
//   D1. A destination is within one of the process's `net:` grants, or it is refused before any name is resolved.
//   D2. An address that is not public, or is this machine's or a neighbour's, is connected only where a grant names that
//       very address.

import { isIP } from 'node:net'
import { isGrantWithin, parseGrant } from '../../core/index.ts'
import type { Grant } from '../../core/index.ts'
import { canonicalAddress, isNearAddress, isPublicAddress } from './addresses.ts'
import type { OwnAddress } from './addresses.ts'
import { ADDRESSES_TRIED_MAX } from './limits.ts'

export interface Destination {
  readonly host: string
  readonly port: number
}

/** The destination as grants write it, or null for what no grant can name. */
export function destinationOf(host: string, port: number): Destination | null {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return null
  const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  if (bare.includes('*') || bare === '') return null
  try {
    const grant = parseGrant(`net:${bare.includes(':') ? `[${bare}]` : bare}:${port}`)
    if (grant.kind !== 'net') return null
    return { host: grant.host.replace(/^\[(.*)\]$/, '$1'), port }
  } catch {
    return null // No name and no address.
  }
}

/** The grant that lets it out (D1). */
export function grantFor(wanted: Destination, grants: readonly Grant[]): Grant | null {
  const { host, port } = wanted
  const child = parseGrant(`net:${host.includes(':') ? `[${host}]` : host}:${port}`)
  return grants.find((grant) => isGrantWithin(child, grant)) ?? null
}

/** Of the addresses that a name has, those that may be connected (D2). */
export function openAddresses(
  wanted: Destination,
  addresses: readonly string[],
  grants: readonly Grant[],
  own: readonly OwnAddress[] = []
): readonly string[] {
  const named = grants.flatMap((grant) => {
    if (grant.kind !== 'net' || (grant.port !== null && grant.port !== wanted.port)) return []
    const host = grant.host.replace(/^\[(.*)\]$/, '$1')
    return isIP(host) === 0 ? [] : [canonicalAddress(host)]
  })
  const isNamed = (address: string): boolean =>
    isIP(wanted.host) !== 0 && named.includes(canonicalAddress(address))
  const isOpen = (address: string): boolean =>
    isPublicAddress(address) && !isNearAddress(address, own)
  const open = addresses.filter((address) => isOpen(address) || isNamed(address))
  return open.slice(0, ADDRESSES_TRIED_MAX)
}
