// Blobs for the control API: each act decided and recorded, then done.

import { blobId, WeaverError } from '../../core/index.ts'
import type { BlobId } from '../../core/index.ts'
import type { Blobs, FetchProgress } from '../../mesh/index.ts'
import type { BlobFetchStep } from '../api/index.ts'
import { Feed } from '../feed.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService, Streamed, StreamOptions } from '../service.ts'

type BlobOperations = Pick<
  KernelService,
  'blobs' | 'putBlob' | 'fetchBlob' | 'readBlob' | 'pinBlob' | 'collectBlobs'
>

/** Steps of one fetch that its reader has not yet taken: of older ones nobody needs to know. */
const STEPS_KEPT = 4
const PREFIX_LENGTH_MIN = 6
const owner = { kind: 'owner' } as const

export function blobOperations(rooms: Rooms): BlobOperations {
  const { blobs, gate } = rooms
  return {
    blobs: () => ({
      budgetBytes: blobs.budgetBytes,
      usedBytes: blobs.usedBytes,
      blobs: blobs
        .list()
        .toSorted((a, b) => b.lastUse - a.lastUse)
        .map(({ id, bytes, isWhole, isPinned, addedAt }) => ({
          id,
          bytes,
          state: isWhole ? ('whole' as const) : ('part' as const),
          pinned: isPinned,
          addedAt
        }))
    }),
    putBlob: (chunks, { pinned }, signal) => put(rooms, chunks, { pinned, signal }),
    fetchBlob: async (text, options) => fetchSteps(rooms, resolved(blobs, text), options),
    readBlob: async (text) => {
      const id = resolved(blobs, text)
      await gate.authorize({
        principal: owner,
        action: 'blob.get',
        resource: `blob:${id}`,
        context: {}
      })
      // A first chunk before the answer begins: what is not there is an error, not a broken stream.
      const chunks = blobs.read(id)
      const first = await chunks.next()
      const size = blobs.list().find((blob) => blob.id === id)?.bytes ?? 0
      return { size, chunks: startingWith(first, chunks) }
    },
    pinBlob: async (text, pinned) => {
      const id = resolved(blobs, text)
      await gate.authorize({
        principal: owner,
        action: 'blob.pin',
        resource: `blob:${id}`,
        context: { pinned }
      })
      await blobs.pin(id, pinned)
      const bytes = blobs.list().find((blob) => blob.id === id)?.bytes ?? 0
      return { id, bytes, pinned, isNew: false }
    },
    collectBlobs: async (wanted) => {
      const bytesMax = wanted ?? blobs.budgetBytes
      const resource = `node:${rooms.self}`
      await gate.authorize({
        principal: owner,
        action: 'blob.collect',
        resource,
        context: { bytesMax }
      })
      const removed = await blobs.collect(bytesMax)
      const bytesFreed = removed.reduce((sum, { bytes }) => sum + bytes, 0)
      const payload = { blobs: removed.length, bytes: bytesFreed }
      await record(rooms, 'blob.collected', resource, payload)
      return { removed: removed.map(({ id }) => id), bytesFreed, usedBytes: blobs.usedBytes }
    }
  }
}

async function put(
  rooms: Rooms,
  chunks: AsyncIterable<Uint8Array>,
  { pinned, signal }: { readonly pinned: boolean; readonly signal: AbortSignal }
): ReturnType<KernelService['putBlob']> {
  const { gate, blobs, self } = rooms
  // Its id is known only when all of it has come: what is decided is whether anything may be stored.
  const permit = await gate.authorize({
    principal: owner,
    action: 'blob.put',
    resource: `node:${self}`,
    context: { pinned }
  })
  const { id, size, isNew } = await blobs.put(chunks, { isPinned: pinned, signal })
  const payload = { decision: permit.decision.id, bytes: size, pinned, isNew }
  await record(rooms, 'blob.stored', `blob:${id}`, payload)
  return { id, bytes: size, pinned, isNew }
}

/** How far it is, and at last that it is done. When its reader leaves, the fetch ends; what came stays. */
async function* fetchSteps(
  rooms: Rooms,
  id: BlobId,
  { signal }: StreamOptions
): AsyncGenerator<Streamed<BlobFetchStep>, void, void> {
  const { gate, blobs, mesh } = rooms
  const permit = await gate.authorize({
    principal: owner,
    action: 'blob.get',
    resource: `blob:${id}`,
    context: {}
  })
  const steps = new Feed<BlobFetchStep>('fetch', STEPS_KEPT)
  const leaving = new AbortController()
  const ended = AbortSignal.any([signal, leaving.signal])
  const contributors = new Set<string>()
  const onProgress = ({ bytes, bytesTotal, sources }: FetchProgress): void => {
    const names = sources.map((node) => mesh.nameOf(node))
    for (const node of sources) contributors.add(node)
    steps.publish({ id, bytes, bytesTotal, sources: names, done: false })
  }
  const wasHeld = blobs.has(id)
  const fetching = blobs
    .get(id, { signal: ended, onProgress })
    .then(async () => {
      const bytes = blobs.list().find((blob) => blob.id === id)?.bytes ?? 0
      const payload = { decision: permit.decision.id, bytes, sources: [...contributors] }
      if (!wasHeld) await record(rooms, 'blob.fetched', `blob:${id}`, payload)
      return steps.publish({ id, bytes, bytesTotal: bytes, sources: [], done: true })
    })
    .finally(() => steps.close())
  fetching.catch(() => undefined) // Awaited below, unless the reader leaves.
  try {
    yield* steps.stream('fetch.0', ended)
    if (!signal.aborted) await fetching
  } finally {
    leaving.abort(new WeaverError('API_CLIENT_LEFT', 'The caller closed the connection'))
  }
}

async function record(
  { ledger }: Rooms,
  kind: string,
  subject: string,
  payload: Parameters<Rooms['ledger']['record']>[0][number]['payload']
): Promise<void> {
  await ledger.record([{ kind, actor: 'user:local', subject, payload }])
}

async function* startingWith(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, void>
): AsyncGenerator<Uint8Array, void, void> {
  try {
    if (first.done === true) return
    yield first.value
    yield* rest
  } finally {
    await rest.return()
  }
}

/** A whole id, or the beginning of one that is held here. @throws WeaverError `MESH_BLOB_AMBIGUOUS`, `CORE_INVALID_BLOB_ID` */
function resolved(blobs: Blobs, text: string): BlobId {
  if (text.length === 64 || text.length < PREFIX_LENGTH_MIN || !/^[0-9a-f]+$/.test(text)) {
    return blobId(text)
  }
  const [match, other] = blobs.list().filter(({ id }) => id.startsWith(text))
  if (other !== undefined) {
    throw new WeaverError('MESH_BLOB_AMBIGUOUS', `Cannot tell which blob begins with '${text}'`, {
      detail: { hint: 'write more of its id: weaver blob list' }
    })
  }
  return match?.id ?? blobId(text)
}
