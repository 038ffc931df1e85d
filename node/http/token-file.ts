import { chmod, readFile, rename, writeFile } from 'node:fs/promises'
import type { Entropy } from '../../core/index.ts'

const TOKEN_BYTES = 32
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{43}$/

/**
 * The bearer token of the TCP listener, from a file that only its owner may read. Kept across restarts, so
 * that scripts need to read it once; a missing or damaged file gets a fresh one.
 */
export async function loadToken(file: string, entropy: Entropy): Promise<string> {
  const kept = await readToken(file)
  if (kept !== null) {
    await chmod(file, 0o600)
    return kept
  }
  const token = Buffer.from(entropy.bytes(TOKEN_BYTES)).toString('base64url')
  await writeFile(`${file}.new`, `${token}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file) // Whole or not at all.
  return token
}

async function readToken(file: string): Promise<string | null> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    return TOKEN_PATTERN.test(text) ? text : null
  } catch {
    return null // Absent: the usual first start.
  }
}
