// The secrets of one home: encrypted at rest, by name.
//
// Invariants
//   V1. A value is in the clear in memory only, and only for whoever reads it by name.
//   V2. What is stored is whole: a crash leaves the secrets of before or of after.
//   V3. A sealed value opens under its own name alone: values cannot be swapped in the file.
//
// What this protects: backups, copies and screens of the home without its key file. Whoever may read the
// files of the home's user has both, as with the key files of ssh.

import { decodeCbor, encodeCbor, seal, unseal, unixMillis } from '../../core/index.ts'
import type { Entropy, UnixMillis } from '../../core/index.ts'
import {
  InvalidSecretError,
  InvalidSecretNameError,
  SecretNotFoundError,
  TooManySecretsError,
  VaultDamagedError
} from './errors.ts'
import { SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRETS_MAX } from './limits.ts'

const FORMAT = 1
const NAME_PATTERN = /^[A-Za-z]\w{0,63}$/

/**
 * Keeps one sealed file.
 *
 * `save` replaces it whole and is durable once resolved; nothing is retried; calls do not overlap. A
 * rejection leaves the old file or the new one.
 */
export interface VaultFile {
  load(): Promise<Uint8Array | null>
  save(bytes: Uint8Array): Promise<void>
}

export interface VaultDeps {
  readonly file: VaultFile
  readonly entropy: Entropy
  readonly wall: () => UnixMillis
}

export interface SecretRow {
  readonly name: string
  readonly setAt: UnixMillis
}

interface Sealed {
  readonly value: Uint8Array
  readonly setAt: UnixMillis
}

export class Vault {
  readonly #deps: VaultDeps
  readonly #key: Uint8Array
  #secrets: ReadonlyMap<string, Sealed>
  /** Changes happen one after the other. */
  #changing: Promise<unknown> = Promise.resolve()

  private constructor(deps: VaultDeps, key: Uint8Array, secrets: ReadonlyMap<string, Sealed>) {
    this.#deps = deps
    this.#key = key
    this.#secrets = secrets
  }

  /**
   * @param key `SEAL_KEY_BYTES` random bytes that are kept elsewhere
   * @throws WeaverError `GOVERNANCE_VAULT_DAMAGED`, also for another key than the one that sealed it
   */
  static async open(deps: VaultDeps, key: Uint8Array): Promise<Vault> {
    const bytes = await deps.file.load()
    const secrets = bytes === null ? new Map<string, Sealed>() : parseSecrets(bytes)
    const vault = new Vault(deps, key, secrets)
    for (const name of secrets.keys()) vault.read(name)
    return vault
  }

  /** By name. Never a value. */
  list(): readonly SecretRow[] {
    const rows = [...this.#secrets].map(([name, { setAt }]) => ({ name, setAt }))
    return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  has(name: string): boolean {
    return this.#secrets.has(name)
  }

  /**
   * Adds or replaces; durable once resolved.
   * @throws WeaverError `GOVERNANCE_INVALID_SECRET_NAME`, `GOVERNANCE_INVALID_SECRET`, `GOVERNANCE_TOO_MANY_SECRETS`
   */
  async set(name: string, value: Uint8Array): Promise<void> {
    checkSecretName(name)
    if (value.length < SECRET_BYTES_MIN || value.length > SECRET_BYTES_MAX) {
      throw new InvalidSecretError(value.length)
    }
    const { entropy, wall } = this.#deps
    const sealed = seal({ key: this.#key, about: aboutOf(name) }, value, entropy)
    await this.#change((secrets) => {
      if (!secrets.has(name) && secrets.size >= SECRETS_MAX) throw new TooManySecretsError()
      secrets.set(name, { value: sealed, setAt: wall() })
    })
  }

  /** @throws WeaverError `GOVERNANCE_SECRET_NOT_FOUND` */
  async remove(name: string): Promise<void> {
    await this.#change((secrets) => {
      if (!secrets.delete(name)) throw new SecretNotFoundError(name)
    })
  }

  /** @throws WeaverError `GOVERNANCE_SECRET_NOT_FOUND`, `GOVERNANCE_VAULT_DAMAGED` */
  read(name: string): Uint8Array {
    const sealed = this.#secrets.get(name)
    if (sealed === undefined) throw new SecretNotFoundError(name)
    const value = unseal({ key: this.#key, about: aboutOf(name) }, sealed.value)
    if (value === null) throw new VaultDamagedError(`its key does not open '${name}'`)
    return value
  }

  async #change(change: (secrets: Map<string, Sealed>) => void): Promise<void> {
    const before = this.#changing
    const done = (async () => {
      await before
      const next = new Map(this.#secrets)
      change(next)
      await this.#deps.file.save(formatSecrets(next))
      // From here it is durable (V2).
      this.#secrets = next
    })()
    this.#changing = done.catch(() => {}) // Told to its caller; the next change begins from what is stored.
    await done
  }
}

/** @throws WeaverError `GOVERNANCE_INVALID_SECRET_NAME` */
export function checkSecretName(name: string): void {
  if (!NAME_PATTERN.test(name)) throw new InvalidSecretNameError(name)
}

function aboutOf(name: string): string {
  return `weft/secret/1 ${name}`
}

/** The file of a vault without secrets: it needs no key. */
export function emptyVault(): Uint8Array {
  return formatSecrets(new Map())
}

function formatSecrets(secrets: ReadonlyMap<string, Sealed>): Uint8Array {
  const rows = [...secrets].map(([name, { value, setAt }]) => ({ name, value, setAt }))
  return encodeCbor({ version: FORMAT, secrets: rows })
}

function parseSecrets(bytes: Uint8Array): ReadonlyMap<string, Sealed> {
  let stored: unknown
  try {
    stored = decodeCbor(bytes)
  } catch (error) {
    throw new VaultDamagedError(error instanceof Error ? error.message : String(error))
  }
  const rows = isMap(stored) && stored['version'] === FORMAT ? stored['secrets'] : null
  if (!Array.isArray(rows)) throw new VaultDamagedError('its format is not known')
  const secrets = new Map<string, Sealed>()
  for (const row of rows as readonly unknown[]) {
    if (!isSecretRow(row)) throw new VaultDamagedError('a secret in it is not whole')
    secrets.set(row.name, { value: row.value, setAt: unixMillis(row.setAt) })
  }
  return secrets
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSecretRow(
  row: unknown
): row is { readonly name: string; readonly value: Uint8Array; readonly setAt: number } {
  if (!isMap(row)) return false
  const { name, value, setAt } = row
  const isNamed = typeof name === 'string' && NAME_PATTERN.test(name)
  return isNamed && value instanceof Uint8Array && Number.isSafeInteger(setAt)
}
