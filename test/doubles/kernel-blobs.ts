// The blobs of the fake kernel: one, which says hello world.

import { WeaverError } from '../../core/index.ts'
import type {
  Blob,
  BlobCollected,
  BlobFetchStep,
  BlobShelf,
  BlobStored
} from '../../node/api/index.ts'
import { FakePolicies } from './kernel-policies.ts'
import type { BlobBytes, Streamed, StreamOptions } from '../../node/service.ts'

export const BLOB: Blob = {
  id: '0b'.repeat(32),
  bytes: 11,
  state: 'whole',
  pinned: true,
  addedAt: 1_800_000_000_000
}

export class FakeBlobs extends FakePolicies {
  readonly blobCalls: unknown[][] = []

  blobs(): BlobShelf {
    this.blobCalls.push(['blobs'])
    return { budgetBytes: 1e9, usedBytes: 11, blobs: [BLOB] }
  }

  /** Takes what comes; a body that begins with `refuse` is refused in mid-stream. */
  async putBlob(
    chunks: AsyncIterable<Uint8Array>,
    { pinned }: { readonly pinned: boolean }
  ): Promise<BlobStored> {
    let bytes = 0
    for await (const chunk of chunks) {
      if (bytes === 0 && Buffer.from(chunk).toString().startsWith('refuse')) {
        throw new WeaverError('MESH_BLOB_OVER_BUDGET', 'There is no room')
      }
      bytes += chunk.length
    }
    this.blobCalls.push(['putBlob', { bytes, pinned }])
    return { id: BLOB.id, bytes, pinned, isNew: true }
  }

  async fetchBlob(
    blob: string,
    options: StreamOptions
  ): Promise<AsyncIterable<Streamed<BlobFetchStep>>> {
    this.blobCalls.push(['fetchBlob', blob])
    if (blob !== BLOB.id) throw notFound(blob)
    const step = { id: blob, bytesTotal: BLOB.bytes, sources: ['server'] }
    return (async function* () {
      const isDone = options.after === '1'
      if (!isDone) yield { id: '1', item: { ...step, bytes: 4, done: false } }
      yield { id: '2', item: { ...step, bytes: BLOB.bytes, done: true } }
    })()
  }

  async readBlob(blob: string): Promise<BlobBytes> {
    this.blobCalls.push(['readBlob', blob])
    if (blob !== BLOB.id) throw notFound(blob)
    return { size: BLOB.bytes, chunks: this.blobChunks() }
  }

  /** Replace to have a download break. */
  blobChunks: () => AsyncGenerator<Uint8Array> = async function* () {
    yield Buffer.from('hello ')
    yield Buffer.from('world')
  }

  async pinBlob(blob: string, pinned: boolean): Promise<BlobStored> {
    this.blobCalls.push(['pinBlob', blob, pinned])
    return { id: blob, bytes: BLOB.bytes, pinned, isNew: false }
  }

  async collectBlobs(bytesMax: number | null): Promise<BlobCollected> {
    this.blobCalls.push(['collectBlobs', bytesMax])
    return { removed: [BLOB.id], bytesFreed: BLOB.bytes, usedBytes: 0 }
  }
}

function notFound(blob: string): WeaverError {
  return new WeaverError('MESH_BLOB_NOT_FOUND', `Cannot find blob '${blob}'`, {
    detail: { hint: 'see what there is' }
  })
}
