// A blob disk in memory. Its faults are set by hand.

import { BlobDiskFailedError, BlobDiskFullError } from '../../mesh/index.ts'
import type { BlobDisk, BlobFile } from '../../mesh/index.ts'

export class MemoryBlobDisk implements BlobDisk {
  readonly files: Map<string, Buffer> = new Map<string, Buffer>()
  /** Bytes that all files may have together. */
  capacity: number = Infinity
  /** Called before each write; a throw is its failure. */
  onWrite: (name: string, offset: number) => void | Promise<void> = () => undefined

  async list(): Promise<readonly string[]> {
    return [...this.files.keys()]
  }

  async open(name: string): Promise<BlobFile | null> {
    return this.files.has(name) ? this.#handle(name) : null
  }

  async create(name: string): Promise<BlobFile> {
    if (!this.files.has(name)) this.files.set(name, Buffer.alloc(0))
    return this.#handle(name)
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name)
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.files.get(from)
    if (content === undefined) throw new BlobDiskFailedError(from, new Error('ENOENT'))
    this.files.delete(from)
    this.files.set(to, content)
  }

  flip(name: string, at: number): void {
    const content = this.files.get(name)
    if (content === undefined) throw new Error(`there is no ${name}`)
    content[at] = (content[at] ?? 0) ^ 1
  }

  #handle(name: string): BlobFile {
    const content = (): Buffer => this.files.get(name) ?? Buffer.alloc(0)
    return {
      size: async () => content().length,
      read: async (offset, buffer) => {
        const found = content().subarray(offset, offset + buffer.length)
        buffer.set(found)
        return buffer.subarray(0, found.length)
      },
      write: async (offset, bytes) => {
        await this.onWrite(name, offset)
        const end = Math.max(content().length, offset + bytes.length)
        const others = [...this.files].reduce(
          (sum, [other, { length }]) => sum + (other === name ? 0 : length),
          0
        )
        if (others + end > this.capacity) throw new BlobDiskFullError(name)
        const grown = Buffer.alloc(end)
        content().copy(grown)
        grown.set(bytes, offset)
        this.files.set(name, grown)
      },
      sync: async () => undefined,
      close: async () => undefined
    }
  }
}
