import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeyValueStore, StoreWrite } from '../../core/index.ts'
import { LevelStore } from '../../node/level-store.ts'

/** A real store on a real disk, which says while it works: virtual time waits for it. */
export class DiskStore implements KeyValueStore {
  readonly #path: string
  readonly #inner: LevelStore
  readonly #underWay = new Set<Promise<unknown>>()

  private constructor(path: string, inner: LevelStore) {
    this.#path = path
    this.#inner = inner
  }

  static async open(path: string): Promise<DiskStore> {
    return new DiskStore(path, await LevelStore.open(path))
  }

  /** Resolves when what is under way now is done; null when nothing is. */
  working(): Promise<unknown> | null {
    return this.#underWay.size === 0 ? null : Promise.allSettled(this.#underWay)
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.#watch(this.#inner.get(key))
  }

  list(prefix: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]> {
    return this.#watch(this.#inner.list(prefix))
  }

  write(writes: readonly StoreWrite[]): Promise<void> {
    return this.#watch(this.#inner.write(writes))
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  /** Bytes of its files. */
  async bytesOnDisk(): Promise<number> {
    let bytes = 0
    for (const name of await readdir(this.#path)) {
      // LevelDB removes files when it pleases.
      bytes += (await stat(join(this.#path, name)).catch(() => null))?.size ?? 0
    }
    return bytes
  }

  #watch<T>(work: Promise<T>): Promise<T> {
    const watched = work.finally(() => this.#underWay.delete(watched))
    this.#underWay.add(watched)
    return watched
  }
}
