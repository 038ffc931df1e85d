// Goal: whatever happens to links, machines, disks and to what others send, no wrong byte of a blob is ever
// delivered (B1), what `put` has told is never lost (B3), and after quiet every member can get every blob.
// Method: four machines whose kernels are a mesh and its blobs. All store and fetch without end; one has little
// room, and the disk of another rots under what it serves.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { blobId, millis } from '../../core/index.ts'
import { seedsOf } from './seeds.ts'
import { BlobKernel } from './world/blob-kernel.ts'
import type { BlobWork } from './world/blob-kernel.ts'
import { drawFaults } from './world/faults.ts'
import { FOUNDER } from './world/mesh-kernel.ts'
import { World } from './world/world.ts'
import type { Machine } from './world/world.ts'

const MACHINES = ['ada', 'bob', 'cyn', 'dan']
const ROTTEN = 'dan'
const FAULTS_FOR_MS = 20_000
const FOREVER = new AbortController().signal

describe('sim: blobs (R0)', () => {
  const felt = { failures: new Map<string, number>(), resumed: 0, fetches: 0, rotted: 0 }

  for (const seed of seedsOf('blobs', 3)) {
    it(`delivers right bytes alone, and all of them in the end (B1, B3) under seed ${seed}`, async function () {
      this.timeout('60s')
      const { world, work } = blobWorld(seed)
      await world.play(async () => {
        for (const name of MACHINES.slice(1)) await join(world, name)
        world.inject(
          drawFaults(world.prng('faults'), {
            machines: MACHINES,
            fromMs: 100,
            toMs: FAULTS_FOR_MS,
            count: 14,
            kinds: ['stall', 'partition', 'cut', 'crash', 'storage']
          })
        )
        for (let turn = 0; turn < 10; turn += 1) {
          await world.advance(FAULTS_FOR_MS / 10)
          felt.rotted += rot(world, work)
        }
        await everybodyGetsEverything(world, work)
      })
      for (const [code, count] of work.failures) {
        felt.failures.set(code, (felt.failures.get(code) ?? 0) + count)
      }
      felt.resumed += work.resumed
      felt.fetches += work.fetches
    })
  }

  it('has one trace for one seed, bit for bit', async () => {
    const digests: string[] = []
    for (let turn = 0; turn < 2; turn += 1) {
      const { world } = blobWorld(4)
      for (const name of MACHINES.slice(1)) await join(world, name)
      await world.advance(3000)
      digests.push(world.trace.digest)
    }
    assert.equal(digests[0], digests[1])
  }).timeout('30s')

  it('felt lost sources, resumed fetches and rotten disks under these seeds together', function () {
    if (process.env['SEED'] !== undefined) {
      process.stderr.write('skipped: one seed need not have felt them all\n')
      this.skip()
    }
    assert(felt.fetches > 100, `${felt.fetches} fetches`)
    assert(felt.resumed > 0, 'no fetch went on from a part')
    assert(felt.rotted > 0, 'no bit rotted')
    assert(felt.failures.size > 0, 'no fetch ever failed')
  })
})

function blobWorld(seed: number): { world: World<BlobKernel>; work: BlobWork } {
  const work: BlobWork = { stored: new Map(), failures: new Map(), fetches: 0, resumed: 0 }
  const world = new World<BlobKernel>(
    { boot: (ports) => BlobKernel.start(ports, work) },
    { seed, machines: MACHINES, replay: 'npx mocha test/sim/blobs.spec.ts' }
  )
  world.onEnd((machine) => checkDisk(machine, work))
  for (const { name } of world.machines) world.start(name)
  return { world, work }
}

/** As a crash has left it, what has the name of a whole blob is whole (S1), and what was told is there (B3). */
function checkDisk({ name, blobDisk }: Machine<BlobKernel>, work: BlobWork): void {
  if (name !== ROTTEN) {
    for (const file of blobDisk.names.filter((each) => each.endsWith('.data'))) {
      const id = file.slice(0, 64)
      assert.equal(
        idOf(Buffer.from(blobDisk.durable(file))),
        id,
        `S1 is broken: ${file} on ${name}`
      )
    }
  }
  for (const [id, { by }] of work.stored) {
    if (by === name) assert(blobDisk.names.includes(`${id}.data`), `B3 is broken: ${id} on ${name}`)
  }
}

/** By the page alone: docs/formats/blobs.md. */
function idOf(bytes: Buffer): string {
  const head = Buffer.alloc(9, 1)
  head.writeBigUInt64BE(BigInt(bytes.length), 1)
  const hashes: Buffer[] = [head]
  for (let at = 0; at < bytes.length; at += 262_144) {
    hashes.push(hashOf('weft/blob-chunk/1', bytes.subarray(at, at + 262_144)))
  }
  return hashOf('weft/blob/1', Buffer.concat(hashes)).toString('hex')
}

function hashOf(domain: string, bytes: Buffer): Buffer {
  const hash = createHash('shake256', { outputLength: 32 })
  return hash.update(Buffer.of(domain.length)).update(domain).update(bytes).digest()
}

/** One bit of a blob that the rotten machine has from others. */
function rot(world: World<BlobKernel>, work: BlobWork): number {
  const { blobDisk } = world.machine(ROTTEN)
  const prng = world.prng(`rot ${world.clock.now()}`)
  const files = blobDisk.names.filter((file) => {
    if (!file.endsWith('.data')) return false
    return work.stored.get(blobId(file.slice(0, 64)))?.by !== ROTTEN
  })
  const file = files[prng.below(Math.max(1, files.length))]
  if (file === undefined) return 0
  blobDisk.flipBit(file, prng.below(blobDisk.durable(file).length), prng)
  return 1
}

async function join(world: World<BlobKernel>, name: string): Promise<void> {
  const areUp = (): boolean => world.machines.every(({ kernel }) => kernel !== null)
  await world.until('all are up', areUp, 60_000)
  const terms = { ttlMs: millis(4 * 3_600_000), uses: 1, role: 'member' } as const
  const [founder, joiner] = [world.kernel(FOUNDER).mesh, world.kernel(name).mesh]
  const joining = (async () => {
    for (;;) {
      const { line } = await founder.invite(terms)
      const isIn = await joiner.join(line, FOREVER).then(
        () => true,
        () => joiner.isMember(founder.nodeId)
      )
      if (isIn) return
    }
  })()
  await world.settle(`${name} joins`, joining, 120_000)
}

async function everybodyGetsEverything(world: World<BlobKernel>, work: BlobWork): Promise<void> {
  world.heal()
  const areUp = (): boolean => world.machines.every(({ kernel }) => kernel !== null)
  await world.until('all machines are up', areUp, 60_000)
  for (const { kernel } of world.machines) kernel?.quieten()
  const isWhole = (): boolean =>
    MACHINES.every((name) => world.kernel(name).mesh.status().connected === MACHINES.length - 1)
  await world.until('all are connected', isWhole, 60_000)
  assert(work.stored.size >= 4, `only ${work.stored.size} blobs were stored`)
  for (const name of MACHINES) {
    for (const id of work.stored.keys()) {
      await world.settle(`${name} gets ${id}`, gets(world, name, id), 60_000)
    }
  }
  for (const name of MACHINES) await world.settle('stop', world.stop(name), 30_000)
}

/** Damage on its own disk is noticed when it is read; then the next fetch mends it. */
async function gets(world: World<BlobKernel>, name: string, text: string): Promise<void> {
  const id = blobId(text)
  for (let tries = 0; ; tries += 1) {
    try {
      return await world.kernel(name).check(id, FOREVER)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null
      if (code !== 'MESH_BLOB_DAMAGED' || tries > 0) throw error
    }
  }
}
