// Blobs over a real disk and an RPC node, without a kernel around them.

import type { NodeId } from '../../core/index.ts'
import { systemClock, systemEntropy } from '../../core/system.ts'
import { Blobs } from '../../mesh/index.ts'
import type { RpcClient } from '../../mesh/index.ts'
import { blobDisk } from '../../node/blob-disk.ts'
import { openLaneDisk } from '../../node/disk.ts'
import { MemoryStore } from '../../test/doubles/memory-store.ts'
import { silentLog } from '../../test/doubles/silent-log.ts'

export async function openBlobs(
  folder: string,
  rpc: RpcClient,
  peers: () => readonly NodeId[]
): Promise<Blobs> {
  const blobs = new Blobs({
    disk: blobDisk(await openLaneDisk(folder, { clock: systemClock }, { isBulk: true })),
    store: new MemoryStore(),
    clock: systemClock,
    entropy: systemEntropy,
    log: silentLog,
    rpc,
    gate: { authorizeServe: async () => undefined },
    peers
  })
  await blobs.open()
  return blobs
}
