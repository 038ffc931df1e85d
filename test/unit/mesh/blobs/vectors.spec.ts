// Golden bytes of docs/formats/blobs.md. The ids are computed here once more, by another implementation of
// SHAKE-256 and from the page alone.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { shake256 } from '@noble/hashes/sha3.js'
import { blobId, concatBytes, decodeCbor, encodeCbor, toHex } from '../../../../core/index.ts'
import { BlobList, chunkHash } from '../../../../mesh/blobs/blob-list.ts'
import { encodeWishes, LIST_INDEX, requestBody, requestedId } from '../../../../mesh/blobs/wire.ts'

const FILE = new URL('../../../vectors/mesh/blobs-v1.json', import.meta.url)
const CHUNK = 262_144

interface Golden {
  readonly blobs: readonly {
    readonly fill: number
    readonly size: number
    readonly id: string
    readonly list: string
  }[]
  readonly request: string
  readonly wishes: { readonly chunks: string; readonly list: string }
}

function made(fill: number, size: number): Golden['blobs'][number] {
  const hashes: Uint8Array[] = []
  for (let at = 0; at < size; at += CHUNK) {
    hashes.push(chunkHash(new Uint8Array(Math.min(CHUNK, size - at)).fill(fill)))
  }
  const list = BlobList.of(size, hashes)
  return { fill, size, id: list.id, list: toHex(list.bytes) }
}

function domainHash(domain: string, bytes: Uint8Array): Buffer {
  const text = Buffer.from(domain)
  return Buffer.from(shake256(Buffer.concat([Buffer.of(text.length), text, bytes]), { dkLen: 32 }))
}

describe('blobs: golden bytes of version 1', () => {
  const golden: Golden = JSON.parse(readFileSync(FILE, 'utf8'))

  it('are what this code writes', () => {
    const id = blobId('0b'.repeat(32))
    assert.deepEqual(
      {
        blobs: golden.blobs.map(({ fill, size }) => made(fill, size)),
        request: toHex(encodeCbor(requestBody(id))),
        wishes: {
          chunks: toHex(encodeWishes([0, 1, 258])),
          list: toHex(encodeWishes([LIST_INDEX]))
        }
      },
      golden
    )
  })

  it('are what the page says, by another SHAKE-256', () => {
    assert(golden.blobs.length >= 4)
    for (const { fill, size, id, list } of golden.blobs) {
      const head = Buffer.alloc(9, 1)
      head.writeBigUInt64BE(BigInt(size), 1)
      const parts: Uint8Array[] = [head]
      for (let at = 0; at < size; at += CHUNK) {
        const chunk = Buffer.alloc(Math.min(CHUNK, size - at), fill)
        parts.push(domainHash('weft/blob-chunk/1', chunk))
      }
      const bytes = Buffer.concat(parts)
      assert.equal(bytes.toString('hex'), list)
      assert.equal(domainHash('weft/blob/1', bytes).toString('hex'), id)
    }
  })

  it('are what this code reads, and no byte of a list may change', () => {
    for (const { id, list, size } of golden.blobs) {
      const bytes = new Uint8Array(Buffer.from(list, 'hex'))
      assert.equal(BlobList.parse(blobId(id), bytes)?.size, size)
      for (let at = 0; at < bytes.length; at += 1) {
        const changed = bytes.with(at, (bytes[at] ?? 0) ^ 1)
        assert.equal(BlobList.parse(blobId(id), changed), null, `byte ${at}`)
      }
      assert.equal(BlobList.parse(blobId(id), bytes.subarray(1)), null)
    }
    const body = decodeCbor(new Uint8Array(Buffer.from(golden.request, 'hex')))
    assert.equal(requestedId(body), '0b'.repeat(32))
  })

  it('refuses a list whose hash fits but whose length or version does not', () => {
    const long = new Uint8Array(Buffer.from(golden.blobs[0]?.list ?? '', 'hex'))
    const tooLong = concatBytes(long, new Uint8Array(32))
    const ofVersion2 = long.with(0, 2)
    for (const bytes of [tooLong, ofVersion2]) {
      const id = blobId(domainHash('weft/blob/1', bytes).toString('hex'))
      assert.equal(BlobList.parse(id, bytes), null)
    }
  })
})
