// Blobs of several members over networks in memory, on virtual time.

import { Blobs } from '../../../../mesh/index.ts'
import type { PutOutcome } from '../../../../mesh/index.ts'
import type { BlobId, NodeId } from '../../../../core/index.ts'
import { MemoryBlobDisk } from '../../../doubles/blob-disk.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { SeededEntropy } from '../../../sim/world/seeded-entropy.ts'
import { SeededPrng } from '../../../sim/world/seeded-prng.ts'
import type { Kernel, Lab } from '../lab.ts'

export interface Holder {
  readonly kernel: Kernel
  readonly blobs: Blobs
  readonly disk: MemoryBlobDisk
  /** Who was served what, as the gate was asked. */
  readonly asked: (readonly [peer: NodeId, id: BlobId])[]
  /** Set to have the gate refuse. */
  refusal: Error | null
}

export const FOREVER: AbortSignal = new AbortController().signal

export function holder(
  lab: Lab,
  kernel: Kernel,
  options: { budgetBytes?: number; disk?: MemoryBlobDisk; serves?: boolean } = {}
): Holder {
  const disk = options.disk ?? new MemoryBlobDisk()
  const asked: [NodeId, BlobId][] = []
  const { mesh, home } = kernel
  const blobs = new Blobs(
    {
      disk,
      store: home.store,
      clock: lab.clock,
      entropy: new SeededEntropy(new SeededPrng(home.name.length)),
      log: silentLog,
      rpc: mesh.rpc,
      gate: {
        authorizeServe: async (peer, id) => {
          asked.push([peer, id])
          if (held.refusal !== null) throw held.refusal
        }
      },
      peers: () =>
        mesh
          .peers()
          .filter(({ isConnected, nodeId }) => isConnected && nodeId !== mesh.nodeId)
          .map(({ nodeId }) => nodeId)
    },
    options.budgetBytes === undefined ? {} : { budgetBytes: options.budgetBytes }
  )
  if (options.serves !== false) mesh.serve(blobs.service)
  const held: Holder = { kernel, blobs, disk, asked, refusal: null }
  return held
}

/** Bytes that no two blobs of a test share. */
export function content(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed * 2_654_435_761 + 1
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

export async function* pieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export function put({ blobs }: Holder, bytes: Uint8Array, isPinned = false): Promise<PutOutcome> {
  return blobs.put(pieces(bytes), { isPinned, signal: FOREVER })
}

export async function readAll({ blobs }: Holder, id: BlobId): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of blobs.read(id)) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}
