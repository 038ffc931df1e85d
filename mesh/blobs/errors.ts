// Every error of blobs, listed in docs/errors.md.

import { formatBytes, WeaverError } from '../../core/index.ts'
import type { BlobId } from '../../core/index.ts'

/** There is no room on the disk. Nothing that was acknowledged is lost. */
export class BlobDiskFullError extends WeaverError {
  constructor(file: string, cause?: unknown) {
    super('MESH_BLOB_DISK_FULL', `Cannot write blob file ${file}: the disk is full`, {
      retry: 'later',
      detail: {
        file,
        hint: 'free some space, or remove cached blobs with: weaver blob gc --to 0B'
      },
      cause
    })
  }
}

/** The disk failed in a way that says nothing about what it has stored. */
export class BlobDiskFailedError extends WeaverError {
  constructor(file: string, cause?: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super('MESH_BLOB_DISK_FAILED', `Cannot use blob file ${file}: ${why}`, {
      detail: { file },
      cause
    })
  }
}

export function blobNotFound(id: BlobId, asked: number): WeaverError {
  const who = asked === 0 ? 'no member is connected' : `none of ${asked} connected members has it`
  return new WeaverError('MESH_BLOB_NOT_FOUND', `Cannot find blob ${id}: ${who}`, {
    retry: 'later',
    detail: { hint: 'connect a member that has it; weaver blob list shows there what is held' }
  })
}

export function blobNotHeld(id: BlobId): WeaverError {
  return new WeaverError('MESH_BLOB_NOT_FOUND', `Cannot read blob ${id}: it is not held here`, {
    retry: 'elsewhere',
    detail: { hint: `fetch it with: weaver blob get ${id}` }
  })
}

/** Stored bytes are not those of the blob. Its sound chunks are kept, and the rest is fetched anew. */
export function blobDamaged(id: BlobId, what: string): WeaverError {
  return new WeaverError('MESH_BLOB_DAMAGED', `Cannot read blob ${id}: ${what} is damaged`, {
    retry: 'later',
    detail: { hint: `fetch what is damaged from other members with: weaver blob get ${id}` }
  })
}

/** Every source was lost. What has arrived is kept, and the next fetch goes on from there. */
export function blobSourcesLost(id: BlobId, bytes: number, cause: unknown): WeaverError {
  return new WeaverError(
    'MESH_BLOB_SOURCES_LOST',
    `Cannot complete blob ${id}: no member that has it could be reached any more`,
    {
      retry: 'later',
      detail: { hint: `${formatBytes(bytes)} are kept: get it again to go on from there` },
      cause
    }
  )
}

export function blobOverBudget(bytes: number, budget: number): WeaverError {
  return new WeaverError(
    'MESH_BLOB_OVER_BUDGET',
    `Cannot store ${formatBytes(bytes)} more: all blobs may take ${formatBytes(budget)}, and what is ` +
      'there is pinned or in use',
    {
      detail: {
        hint: 'release some with: weaver blob pin --off ID; or start with --blob-budget SIZE'
      }
    }
  )
}

export function blobTooLarge(bytesMax: number): WeaverError {
  return new WeaverError(
    'MESH_BLOB_TOO_LARGE',
    `Cannot store this blob: one may have ${formatBytes(bytesMax)} at most; cut it into several`
  )
}

export function blobsBusy(what: string): WeaverError {
  return new WeaverError('MESH_BLOB_BUSY', `Cannot serve another blob: ${what}`, {
    retry: 'elsewhere'
  })
}

/** The peer sent what is not in the blob that was asked for. */
export function blobForged(id: BlobId, what: string): WeaverError {
  return new WeaverError('MESH_BLOB_FORGED', `Refused ${what} of blob ${id}: its hash is wrong`)
}

export function blobSilent(): WeaverError {
  return new WeaverError('MESH_BLOB_SILENT', 'Gave up on a transfer: the other side is silent', {
    retry: 'elsewhere'
  })
}

export function blobRequestInvalid(what: string): WeaverError {
  return new WeaverError('MESH_BLOB_REQUEST_INVALID', `Cannot serve a blob request: ${what}`)
}
