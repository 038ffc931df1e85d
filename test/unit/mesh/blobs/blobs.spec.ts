// Goal: blobs go from member to member whole or not at all, whatever disks, peers and links do.
// Method: real meshes over networks in memory on virtual time, disks in memory whose bytes can be flipped.

import assert from 'node:assert/strict'
import { WeaverError } from '../../../../core/index.ts'
import type { BlobId } from '../../../../core/index.ts'
import { BLOB_CHUNK_BYTES } from '../../../../mesh/blobs/limits.ts'
import { Lab } from '../lab.ts'
import { content, FOREVER, holder, put, readAll } from './kit.ts'
import type { Holder } from './kit.ts'

const SIZE = 5 * BLOB_CHUNK_BYTES + 1234

describe('blobs', () => {
  let lab: Lab
  let ada: Holder
  let bob: Holder

  beforeEach(async () => {
    lab = new Lab()
    const first = await lab.founder('ada')
    ada = holder(lab, first)
    bob = holder(lab, await lab.member(first, 'bob'))
  })
  afterEach(async () => {
    await lab.settle(Promise.all([ada, bob].map(({ blobs }) => blobs.stop())))
    await lab.settle(Promise.all([ada, bob].map(({ kernel }) => kernel.mesh.stop())))
  })

  function get(from: Holder, id: BlobId, signal: AbortSignal = FOREVER): Promise<void> {
    return lab.settle(from.blobs.get(id, { signal }))
  }

  for (const size of [0, 1, BLOB_CHUNK_BYTES, BLOB_CHUNK_BYTES + 1, SIZE]) {
    it(`gives another member the same ${size} bytes`, async () => {
      const bytes = content(size, 1)
      const { id, isNew } = await put(ada, bytes)
      assert.equal(isNew, true)
      await get(bob, id)
      assert.deepEqual(await readAll(bob, id), bytes)
      assert.deepEqual(ada.asked, [[bob.kernel.id, id]])
    })
  }

  it('has one id for the same bytes, however they come, and keeps them once', async () => {
    const bytes = content(SIZE, 2)
    const { id } = await put(ada, bytes)
    const again = await put(ada, bytes)
    assert.deepEqual([again.id, again.isNew], [id, false])
    assert.equal(ada.blobs.usedBytes, SIZE)
  })

  it('fetches once however many ask, and asks nobody for what is there', async () => {
    const { id } = await put(ada, content(SIZE, 3))
    await lab.settle(Promise.all([1, 2, 3].map(() => bob.blobs.get(id, { signal: FOREVER }))))
    await get(bob, id)
    assert.equal(ada.asked.length, 1)
  })

  it('delivers no byte of a source that lies, and takes the blob from one that does not (B1, F2)', async () => {
    const bytes = content(SIZE, 4)
    const { id } = await put(ada, bytes)
    const cyn = holder(lab, await lab.member(ada.kernel, 'cyn'))
    await get(cyn, id)
    ada.disk.flip(`${id}.data`, 3 * BLOB_CHUNK_BYTES + 7)
    await get(bob, id)
    assert.deepEqual(await readAll(bob, id), bytes)
    await lab.settle(cyn.kernel.mesh.stop())
  })

  it('says which sources it lost when all of them lie', async () => {
    const { id } = await put(ada, content(SIZE, 5))
    ada.disk.flip(`${id}.data`, 7)
    await assert.rejects(get(bob, id), (error: WeaverError) => {
      assert.equal(error.code, 'MESH_BLOB_SOURCES_LOST')
      assert(error.cause instanceof WeaverError)
      assert.equal(error.cause.code, 'MESH_BLOB_FORGED')
      return true
    })
    assert.equal(bob.blobs.has(id), false)
  })

  it('notices damage on its own disk, and mends it from a member (B1)', async () => {
    const bytes = content(SIZE, 6)
    const { id } = await put(ada, bytes)
    await get(bob, id)
    bob.disk.flip(`${id}.data`, BLOB_CHUNK_BYTES + 9)
    await assert.rejects(readAll(bob, id), { code: 'MESH_BLOB_DAMAGED' })
    let firstBytes: number | null = null
    await lab.settle(
      bob.blobs.get(id, {
        signal: FOREVER,
        onProgress: (progress) => (firstBytes ??= progress.bytes)
      })
    )
    assert.equal(firstBytes, SIZE - BLOB_CHUNK_BYTES, 'only the damaged chunk is fetched')
    assert.deepEqual(await readAll(bob, id), bytes)
  })

  it('goes on where it was after a crash, and hashes what it finds (S4)', async () => {
    const bytes = content(SIZE, 7)
    const { id } = await put(ada, bytes)
    let writes = 0
    bob.disk.onWrite = (name) => {
      if (!name.endsWith('.part')) return
      writes += 1
      if (writes > 3) throw new WeaverError('MESH_BLOB_DISK_FAILED', 'power is off')
    }
    await assert.rejects(get(bob, id), { code: 'MESH_BLOB_DISK_FAILED' })
    bob.disk.onWrite = () => undefined
    bob.disk.flip(`${id}.part`, 5) // A torn write: only two of three are sound.
    const reborn = holder(lab, bob.kernel, { disk: bob.disk, serves: false })
    await reborn.blobs.open()
    const progress: number[] = []
    await lab.settle(
      reborn.blobs.get(id, { signal: FOREVER, onProgress: ({ bytes: got }) => progress.push(got) })
    )
    assert.equal(progress[0], SIZE - 4 * BLOB_CHUNK_BYTES)
    assert.deepEqual(await readAll(reborn, id), bytes)
  })

  it('waits for a lost source to come back, and goes on', async () => {
    const bytes = content(SIZE, 8)
    const { id } = await put(ada, bytes)
    let isCut = false
    bob.disk.onWrite = (name) => {
      if (!name.endsWith('.part') || isCut) return
      isCut = true
      lab.hub.cut(ada.kernel.id, bob.kernel.id)
      lab.clock.after(2000, () => lab.hub.heal(ada.kernel.id, bob.kernel.id))
    }
    await get(bob, id)
    assert.equal(isCut, true)
    assert.equal(ada.asked.length, 2, 'each fetch from a source is decided anew')
    assert.deepEqual(await readAll(bob, id), bytes)
  })

  /** `who` stops fetching a blob when so many chunks of it are being written. */
  async function getSome(who: Holder, id: BlobId, chunks: number): Promise<void> {
    const leaving = new AbortController()
    let writes = 0
    who.disk.onWrite = (name) => {
      if (!name.endsWith('.part')) return
      writes += 1
      if (writes === chunks) leaving.abort(new WeaverError('API_CLIENT_LEFT', 'enough'))
    }
    await assert.rejects(get(who, id, leaving.signal), { code: 'API_CLIENT_LEFT' })
    await lab.pass(1000)
    who.disk.onWrite = () => undefined
  }

  it('is completed by two members that have different parts of it, when nobody has all (V4)', async () => {
    const bytes = content(SIZE, 31)
    const { id } = await put(ada, bytes)
    const cyn = holder(lab, await lab.member(ada.kernel, 'cyn'))
    await lab.pass(3000)
    await getSome(bob, id, 4)
    await getSome(cyn, id, 6)
    cyn.disk.flip(`${id}.part`, 0)
    cyn.disk.flip(`${id}.part`, BLOB_CHUNK_BYTES)
    await ada.blobs.collect(0)
    assert.deepEqual(
      [bob, cyn].map(({ blobs }) => blobs.has(id)),
      [false, false]
    )
    const both = [bob, cyn].map(({ blobs }) => blobs.get(id, { signal: FOREVER }))
    await lab.settle(Promise.all(both))
    assert.deepEqual(await readAll(bob, id), bytes)
    assert.deepEqual(await readAll(cyn, id), bytes)
    assert.ok(
      bob.asked.some(([peer]) => peer === cyn.kernel.id),
      'each asked the gate'
    )
    await lab.settle(cyn.blobs.stop())
    await lab.settle(cyn.kernel.mesh.stop())
  })

  it('takes what a member has in part, and says what is missing when nobody has the rest', async () => {
    const bytes = content(SIZE, 32)
    const { id } = await put(ada, bytes)
    const cyn = holder(lab, await lab.member(ada.kernel, 'cyn'))
    await lab.pass(3000)
    await getSome(bob, id, 3)
    await ada.blobs.collect(0)
    await assert.rejects(get(cyn, id), { code: 'MESH_BLOB_SOURCES_LOST' })
    const again = await put(ada, bytes)
    assert.equal(again.id, id)
    const progress: number[] = []
    await lab.settle(
      cyn.blobs.get(id, { signal: FOREVER, onProgress: ({ bytes: got }) => progress.push(got) })
    )
    assert.ok((progress[0] ?? 0) >= 2 * BLOB_CHUNK_BYTES, `${progress[0]}`)
    assert.deepEqual(await readAll(cyn, id), bytes)
    await lab.settle(cyn.blobs.stop())
    await lab.settle(cyn.kernel.mesh.stop())
  })

  it('gives nothing that the gate refuses, and says why', async () => {
    const { id } = await put(ada, content(10, 9))
    ada.refusal = new WeaverError('GOVERNANCE_DENIED', 'not to you')
    await assert.rejects(get(bob, id), (error: WeaverError) => {
      assert(error.cause instanceof WeaverError)
      assert.equal(error.cause.code, 'GOVERNANCE_DENIED')
      return true
    })
  })

  it('says so when nobody has it', async () => {
    const { id } = await put(ada, content(10, 10))
    await ada.blobs.collect(0)
    await assert.rejects(get(bob, id), { code: 'MESH_BLOB_NOT_FOUND', retry: 'later' })
  })

  it('ends when nobody waits any more, and keeps what has arrived (B2, F3)', async () => {
    const { id } = await put(ada, content(SIZE, 11))
    const leaving = new AbortController()
    bob.disk.onWrite = (name, offset) => {
      if (name.endsWith('.part') && offset > 0)
        leaving.abort(new WeaverError('API_CLIENT_LEFT', 'bye'))
    }
    await assert.rejects(get(bob, id, leaving.signal), { code: 'API_CLIENT_LEFT' })
    await lab.pass(1000)
    assert.equal(bob.blobs.has(id), false)
    assert(bob.disk.files.has(`${id}.part`))
  })

  it('leaves a source that stalls for another, and gives up on it in ten seconds', async () => {
    const bytes = content(SIZE, 12)
    const { id } = await put(ada, bytes)
    const cyn = holder(lab, await lab.member(ada.kernel, 'cyn'), { serves: false })
    const stalled = Promise.withResolvers<never>()
    cyn.kernel.mesh.serve({
      name: 'blobs',
      serve: ({ method }) =>
        method === 'has' ? Promise.resolve({ v: 1, has: true }) : stalled.promise
    })
    const before = lab.clock.now()
    await get(bob, id)
    assert(lab.clock.now() - before < 11_000)
    assert.deepEqual(await readAll(bob, id), bytes)
    await lab.settle(cyn.kernel.mesh.stop())
  })
})

describe('the shelf of blobs', () => {
  const MEGABYTE = 1024 * 1024
  let lab: Lab
  let ada: Holder

  beforeEach(async () => {
    lab = new Lab()
    ada = holder(lab, await lab.founder('ada'), { budgetBytes: 3 * MEGABYTE })
  })
  afterEach(() => lab.settle(ada.kernel.mesh.stop()))

  it('makes room by removing the least recently used, never what is pinned (S2, S3)', async () => {
    const [first, second, third] = [
      await put(ada, content(MEGABYTE, 1), true),
      await put(ada, content(MEGABYTE, 2)),
      await put(ada, content(MEGABYTE, 3))
    ]
    await ada.blobs.get(second.id, { signal: FOREVER }) // Used later than the third now.
    const fourth = await put(ada, content(MEGABYTE, 4))
    const held = ada.blobs.list().map(({ id }) => id)
    assert.deepEqual(new Set(held), new Set([first.id, second.id, fourth.id]))
    assert.equal(ada.blobs.has(third.id), false)
    assert.equal(ada.blobs.usedBytes, 3 * MEGABYTE)
  })

  it('refuses what does not fit beside what is pinned, and keeps nothing of it', async () => {
    await put(ada, content(2 * MEGABYTE, 1), true)
    await assert.rejects(put(ada, content(2 * MEGABYTE, 2)), { code: 'MESH_BLOB_OVER_BUDGET' })
    assert.equal(ada.blobs.usedBytes, 2 * MEGABYTE)
    assert.equal(ada.disk.files.size, 2)
  })

  it('keeps nothing of a put that ends early, by a full disk or by its caller', async () => {
    ada.disk.capacity = MEGABYTE
    await assert.rejects(put(ada, content(2 * MEGABYTE, 1)), { code: 'MESH_BLOB_DISK_FULL' })
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield content(1000, 1)
      throw new WeaverError('API_CLIENT_LEFT', 'bye')
    }
    await assert.rejects(ada.blobs.put(broken(), { isPinned: true, signal: FOREVER }), {
      code: 'API_CLIENT_LEFT'
    })
    assert.equal(ada.blobs.usedBytes, 0)
    assert.equal(ada.disk.files.size, 0)
  })

  it('does not remove what is being read', async () => {
    const { id } = await put(ada, content(MEGABYTE, 1))
    const reading = ada.blobs.read(id)
    await reading.next()
    assert.deepEqual(await ada.blobs.collect(0), [])
    await reading.return()
    assert.equal((await ada.blobs.collect(0)).length, 1)
    await assert.rejects(readAll(ada, id), { code: 'MESH_BLOB_NOT_FOUND' })
  })

  it('knows its blobs, pins and their order of use after a restart, and clears what nobody was told of', async () => {
    const pinned = await put(ada, content(MEGABYTE, 1), true)
    const cached = await put(ada, content(MEGABYTE, 2))
    ada.disk.files.set('0123.new', Buffer.alloc(77))
    const reborn = holder(lab, ada.kernel, { disk: ada.disk, serves: false })
    await reborn.blobs.open()
    const known = reborn.blobs.list().map(({ id, isPinned, isWhole }) => [id, isPinned, isWhole])
    assert.deepEqual(
      new Set(known.map(String)),
      new Set([[pinned.id, true, true].join(','), [cached.id, false, true].join(',')])
    )
    assert.equal(ada.disk.files.has('0123.new'), false)
    assert.deepEqual(
      (await reborn.blobs.collect(0)).map(({ id }) => id),
      [cached.id]
    )
  })
})
