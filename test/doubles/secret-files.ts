import type { VaultFile } from '../../governance/index.ts'
import type { SecretFiles } from '../../node/secrets.ts'

/** One file, in memory; fails as often as it is told to. */
export class MemoryFile implements VaultFile {
  bytes: Uint8Array | null = null
  failure: Error | null = null

  load(): Promise<Uint8Array | null> {
    return Promise.resolve(this.bytes)
  }

  save(bytes: Uint8Array): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure)
    this.bytes = bytes
    return Promise.resolve()
  }
}

export class MemorySecretFiles implements SecretFiles {
  readonly sealed: MemoryFile = new MemoryFile()
  readonly key: MemoryFile = new MemoryFile()

  loadKey(): Promise<Uint8Array | null> {
    return this.key.load()
  }

  saveKey(key: Uint8Array): Promise<void> {
    return this.key.save(key)
  }
}
