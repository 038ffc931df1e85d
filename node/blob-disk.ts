// The disk of blobs: that of lanes, with the mesh's own words for what goes wrong.

import type { LaneDisk, LaneFile } from '../chain/index.ts'
import { WeaverError } from '../core/index.ts'
import { BlobDiskFailedError, BlobDiskFullError } from '../mesh/index.ts'
import type { BlobDisk, BlobFile } from '../mesh/index.ts'
import type { FolderFile } from './disk.ts'

/** A disk of lanes whose files may be able to read into memory of the caller. */
type SourceFile = LaneFile & Partial<FolderFile>
interface SourceDisk extends LaneDisk {
  open(name: string): Promise<SourceFile | null>
  create(name: string): Promise<SourceFile>
}

export function blobDisk(disk: SourceDisk): BlobDisk {
  return {
    list: () => inMeshWords('(folder)', disk.list()),
    open: async (name) => {
      const opened = await inMeshWords(name, disk.open(name))
      return opened === null ? null : file(name, opened)
    },
    create: async (name) => file(name, await inMeshWords(name, disk.create(name))),
    remove: (name) => inMeshWords(name, disk.remove(name)),
    rename: (from, to) => inMeshWords(from, disk.rename(from, to))
  }
}

function file(name: string, opened: SourceFile): BlobFile {
  return {
    size: () => inMeshWords(name, opened.size()),
    read: (offset, buffer) => inMeshWords(name, filled(opened, offset, buffer)),
    write: (offset, bytes) => inMeshWords(name, opened.write(offset, bytes)),
    sync: () => inMeshWords(name, opened.sync()),
    close: () => inMeshWords(name, opened.close())
  }
}

async function filled(opened: SourceFile, offset: number, buffer: Uint8Array): Promise<Uint8Array> {
  if (opened.readInto !== undefined) return opened.readInto(offset, buffer)
  const bytes = await opened.read(offset, buffer.length)
  buffer.set(bytes)
  return buffer.subarray(0, bytes.length)
}

async function inMeshWords<T>(name: string, act: Promise<T>): Promise<T> {
  try {
    return await act
  } catch (error) {
    const isFull = error instanceof WeaverError && error.code === 'CHAIN_DISK_FULL'
    throw isFull ? new BlobDiskFullError(name, error) : new BlobDiskFailedError(name, error)
  }
}
