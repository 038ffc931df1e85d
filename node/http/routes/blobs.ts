import { z } from 'zod'
import {
  blobCollect,
  blobCollected,
  blobFetchStep,
  blobPin,
  blobShelf,
  blobStored
} from '../../api/schemas/blobs.ts'
import type { KernelService } from '../../service.ts'
import { answerRoute, downloadRoute, NO_INPUT, streamRoute, uploadRoute } from '../route.ts'
import type { Route } from '../route.ts'

const tag = 'blobs'
const byBlob = z.object({ blob: z.string().min(1).max(64) })
const pinned = z
  .enum(['true', 'false'])
  .default('true')
  .transform((value) => value === 'true')

export function blobRoutes(service: KernelService): readonly Route[] {
  return [
    answerRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/blobs',
      tag,
      summary: 'The blobs that this node holds, and its budget',
      gives: blobShelf,
      call: () => service.blobs()
    }),
    uploadRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/blobs',
      tag,
      summary: 'Store the bytes of the body; pinned unless told otherwise',
      query: z.strictObject({ pinned }),
      gives: blobStored,
      take: ({ query }, chunks, signal) => service.putBlob(chunks, query, signal)
    }),
    streamRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/blobs/{blob}/fetch',
      tag,
      summary: 'See to it that a blob is whole on this node, with progress',
      params: byBlob,
      gives: blobFetchStep,
      open: ({ params }, options) => service.fetchBlob(params.blob, options)
    }),
    downloadRoute({
      ...NO_INPUT,
      method: 'get',
      path: '/api/v1/blobs/{blob}/content',
      tag,
      summary: 'The bytes of a blob that is whole on this node',
      params: byBlob,
      read: ({ params }) => service.readBlob(params.blob)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/blobs/{blob}/pin',
      tag,
      summary: 'Keep a blob until it is released, or release it',
      params: byBlob,
      body: blobPin,
      gives: blobStored,
      call: ({ params, body }) => service.pinBlob(params.blob, body.pinned)
    }),
    answerRoute({
      ...NO_INPUT,
      method: 'post',
      path: '/api/v1/blobs/collect',
      tag,
      summary: 'Remove what is not pinned, least recently used first, down to a size or the budget',
      body: blobCollect,
      gives: blobCollected,
      isLong: true,
      call: ({ body }) => service.collectBlobs(body.bytesMax)
    })
  ]
}
