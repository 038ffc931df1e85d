import { createHash } from 'node:crypto'
import { utf8 } from './bytes.ts'

/** Bytes of every SHAKE-256 hash in the project. */
export const HASH_BYTES = 32

/**
 * SHAKE-256 (FIPS 202) with 32 bytes of output over `length(domain) || domain || parts...`, where the
 * length is one byte. The domain says what is hashed (`weft/block/1`), so that bytes of one kind never
 * stand for bytes of another. The parts are joined as they are: give each a fixed size, or frame it.
 */
export function shake256(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('shake256', { outputLength: HASH_BYTES })
  hash.update(domainPrefix(domain))
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

const prefixes = new Map<string, Uint8Array>()

/** What stands before the bytes that are hashed in a domain. */
export function domainPrefix(domain: string): Uint8Array {
  const known = prefixes.get(domain)
  if (known !== undefined) return known
  const text = utf8(domain)
  const prefix = Uint8Array.of(text.length, ...text)
  prefixes.set(domain, prefix) // Domains are literals in the code: the map stays small.
  return prefix
}
