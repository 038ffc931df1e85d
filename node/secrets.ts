// The secrets of this home. The key lies in a file of its own, made with the first secret, so that a copy
// of the sealed file alone tells nothing.

import { readFile } from 'node:fs/promises'
import { equalBytes, fromHex, SEAL_KEY_BYTES, toHex } from '../core/index.ts'
import type { Clock, Entropy } from '../core/index.ts'
import {
  emptyVault,
  redactedText,
  secretPatterns,
  Vault,
  VaultDamagedError
} from '../governance/index.ts'
import type { SecretPatterns, SecretRow, VaultFile } from '../governance/index.ts'
import { writeWhole } from './home-files.ts'
import type { HomePaths } from './home-layout.ts'

/** Where the sealed secrets and their key are kept. Both saves are whole and durable once resolved. */
export interface SecretFiles {
  readonly sealed: VaultFile
  loadKey(): Promise<Uint8Array | null>
  saveKey(key: Uint8Array): Promise<void>
}

export interface SecretsDeps {
  readonly files: SecretFiles
  readonly clock: Clock
  readonly entropy: Entropy
}

export class Secrets {
  readonly #deps: SecretsDeps
  #vault: Promise<Vault | null>
  #patterns: SecretPatterns = secretPatterns([])

  private constructor(deps: SecretsDeps, vault: Vault | null) {
    this.#deps = deps
    this.#vault = Promise.resolve(vault)
    this.#learn(vault)
  }

  /** @throws WeaverError `GOVERNANCE_VAULT_DAMAGED` */
  static async open(deps: SecretsDeps): Promise<Secrets> {
    const [key, sealed] = await Promise.all([deps.files.loadKey(), deps.files.sealed.load()])
    // A crash between the two files of the first secret leaves an empty one, and no key.
    if (key === null && sealed !== null && !equalBytes(sealed, emptyVault())) {
      throw new VaultDamagedError('its secrets.key is gone')
    }
    if (key !== null && sealed === null) throw new VaultDamagedError('its secrets.sealed is gone')
    return new Secrets(deps, key === null ? null : await openVault(deps, key))
  }

  async list(): Promise<readonly SecretRow[]> {
    return (await this.#vault)?.list() ?? []
  }

  async has(name: string): Promise<boolean> {
    return (await this.#vault)?.has(name) ?? false
  }

  /** @throws WeaverError as `Vault.set` */
  async set(name: string, value: Uint8Array): Promise<void> {
    const vault = (await this.#vault) ?? (await this.#make())
    await vault.set(name, value)
    this.#learn(vault)
  }

  /** @throws WeaverError as `Vault.remove` */
  async remove(name: string): Promise<void> {
    const vault = await this.#opened()
    await vault.remove(name)
    this.#learn(vault)
  }

  /** @throws WeaverError as `Vault.read` */
  async read(name: string): Promise<Uint8Array> {
    return (await this.#opened()).read(name)
  }

  /** What must not go out: into logs, records, answers. */
  redacted(text: string): string {
    return redactedText(this.#patterns, text)
  }

  /** Makes the key, once, however many ask. */
  async #make(): Promise<Vault> {
    const { files, entropy } = this.#deps
    const made = this.#vault.then(async (present) => {
      if (present !== null) return present
      // First, so that a key never stands alone: then the sealed file has been lost.
      await files.sealed.save(emptyVault())
      const key = entropy.bytes(SEAL_KEY_BYTES)
      await files.saveKey(key) // Before anything is sealed with it.
      return openVault(this.#deps, key)
    })
    this.#vault = made.catch(() => null)
    return made
  }

  /** An empty one where there is none yet: it says best that what is asked for is not there. */
  async #opened(): Promise<Vault> {
    return (await this.#vault) ?? openVault(this.#deps, new Uint8Array(SEAL_KEY_BYTES))
  }

  #learn(vault: Vault | null): void {
    const names = vault?.list().map(({ name }) => name) ?? []
    this.#patterns = secretPatterns(names.flatMap((name) => vault?.read(name) ?? []))
  }
}

async function openVault(deps: SecretsDeps, key: Uint8Array): Promise<Vault> {
  const { files, clock, entropy } = deps
  return Vault.open({ file: files.sealed, entropy, wall: () => clock.wall() }, key)
}

/** Two files of a home, mode 0600. */
export function secretFiles(paths: Pick<HomePaths, 'secrets' | 'secretsKey'>): SecretFiles {
  return {
    sealed: {
      load: async () => fileIfThere(paths.secrets),
      save: async (bytes) => writeWhole(paths.secrets, bytes)
    },
    loadKey: async () => {
      const text = (await fileIfThere(paths.secretsKey))?.toString('utf8').trim()
      if (text === undefined) return null
      if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text)
      throw new VaultDamagedError(`${paths.secretsKey} does not hold a key`)
    },
    saveKey: async (key) => writeWhole(paths.secretsKey, `${toHex(key)}\n`)
  }
}

async function fileIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new VaultDamagedError(error instanceof Error ? error.message : String(error))
  }
}
