import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { millis } from '../../../../core/index.ts'
import { BULK_IDLE_MS } from '../../../../node/http/limits.ts'
import { BLOB } from '../../../doubles/kernel-blobs.ts'
import { untilQuiet } from '../../../sim/world/quiet.ts'
import { ask, startFixture } from './fixture.ts'
import type { Fixture } from './fixture.ts'

describe('blobs over the control API', () => {
  let fixture: Fixture

  beforeEach(async () => {
    fixture = await startFixture()
  })
  afterEach(() => fixture.stop())

  async function* bytes(size: number, count: number, first = 'x'): AsyncGenerator<Uint8Array> {
    yield Buffer.from(first)
    for (let sent = 0; sent < count; sent += 1) yield new Uint8Array(size)
  }

  it('takes a body of any size as it comes', async () => {
    const stored = await fixture.client.putBlob(bytes(100_000, 50), { pinned: false })
    assert.deepEqual([stored.id, stored.bytes, stored.pinned], [BLOB.id, 5_000_001, false])
    assert.deepEqual(fixture.service.blobCalls.at(-1), [
      'putBlob',
      { bytes: 5_000_001, pinned: false }
    ])
  })

  it('tells why it refuses, though the body still comes', async () => {
    const refused = fixture.client.putBlob(bytes(100_000, 300, 'refuse'), { pinned: true })
    await assert.rejects(refused, { code: 'MESH_BLOB_OVER_BUDGET' })
  })

  it('ends the upload when the source of the bytes fails', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      throw new Error('the disk of the caller')
    }
    await assert.rejects(
      fixture.client.putBlob(broken(), { pinned: true }),
      /the disk of the caller/
    )
    assert.deepEqual(fixture.service.blobCalls, [])
  })

  it('gives up on a body that stands still', async () => {
    const socket = connect(fixture.socketPath)
    socket.write(
      'POST /api/v1/blobs HTTP/1.1\r\nhost: weaver\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n'
    )
    const answer = new Promise<string>((resolve) => {
      socket.on('data', (data) => resolve(data.toString()))
    })
    while (fixture.clock.nextAt() === null) await untilQuiet()
    fixture.clock.advanceTo(millis(BULK_IDLE_MS + 1))
    assert.match(await answer, /^HTTP\/1\.1 504 .*API_TIMED_OUT/s)
    socket.destroy()
  })

  it('gives the bytes with their length, and errors before the first as errors', async () => {
    const parts: Buffer[] = []
    for await (const part of fixture.client.readBlob(BLOB.id)) parts.push(part)
    assert.equal(Buffer.concat(parts).toString(), 'hello world')
    await assert.rejects(fixture.client.readBlob('ab').next(), { code: 'MESH_BLOB_NOT_FOUND' })
    const path = `/api/v1/blobs/${BLOB.id}/content`
    const answer = await ask({ socketPath: fixture.socketPath, path })
    assert.equal(answer.headers['content-type'], 'application/octet-stream')
    assert.equal(answer.headers['content-length'], '11')
  })

  it('never lets bytes that were cut short look whole', async () => {
    fixture.service.blobChunks = async function* () {
      for (const text of ['h', 'e', 'l', 'l', 'o']) yield Buffer.from(text)
      throw new Error('the disk')
    }
    const read = async (): Promise<void> => {
      for await (const part of fixture.client.readBlob(BLOB.id)) assert(part.length > 0)
    }
    await assert.rejects(read(), { code: 'API_KERNEL_GONE' })
  })

  it('tells how far a fetch is, and its end', async () => {
    const steps: unknown[] = []
    for await (const { item } of fixture.client.fetchBlob(BLOB.id))
      steps.push([item.bytes, item.done])
    assert.deepEqual(steps, [
      [4, false],
      [11, true]
    ])
  })
})
