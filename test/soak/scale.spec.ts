// Fault R15. Goal: at the stated limits what is kept stays within its bounds, and what is beyond them is refused by a
// typed error, not by running out of memory: a million entries, a hundred thousand rows, a thousand peers.
// Method: the rooms themselves, over real files where they keep any; memory is looked at after a tenth and at the end.
// The short profile is a tenth of each.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { openChain } from '../../chain/index.ts'
import type { EntryDraft } from '../../chain/index.ts'
import { QUEUE_ENTRIES_MAX } from '../../chain/limits.ts'
import { meshId, millis, signerFromSeed } from '../../core/index.ts'
import type { Signer } from '../../core/index.ts'
import { systemClock } from '../../core/system.ts'
import { Documents } from '../../mesh/documents/documents.ts'
import { envelopesSince } from '../../mesh/documents/log.ts'
import { ROWS_PER_DOCUMENT_MAX } from '../../mesh/limits.ts'
import { Tasks } from '../../mesh/tasks.ts'
import { openLaneDisk } from '../../node/disk.ts'
import { MemoryStore } from '../doubles/memory-store.ts'
import { silentLog } from '../doubles/silent-log.ts'
import { Fleet } from '../sim/world/fleet.ts'
import { untilQuiet } from '../sim/world/quiet.ts'
import { VirtualClock } from '../sim/world/virtual-clock.ts'
import { heapInUse, isLong } from './profile.ts'

const ENTRIES: number = isLong ? 1_000_000 : 100_000
const BATCH = 500
const WRITERS = 8
const OWNERS: number = isLong ? 10 : 1
const PEERS: number = isLong ? 1000 : 100
const HEAP_GROWTH_MAX = 32e6
/** A row of a document that others look at: its text, the text of its change, and the map that shows it. */
const BYTES_A_ROW_MAX = 4000
/** docs/scale.md: 2.2 messages a second and node, whatever the number. */
const MESSAGES_MAX = 3

describe('soak: the stated limits (R15)', function () {
  this.timeout(isLong ? 1_800_000 : 300_000)

  it(`${ENTRIES} entries: pushed back beyond the queue, within memory, all there after the next opening`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-scale-'))
    const open = async (): ReturnType<typeof openChain> =>
      openChain(
        {
          disk: await openLaneDisk(folder, { clock: systemClock }),
          clock: systemClock,
          signer: signerOf(5),
          log: silentLog
        },
        {}
      )
    try {
      const chain = await open()
      const draft = (count: number): EntryDraft => ({
        kind: 'tool.called',
        actor: 'user:local',
        subject: 'task:1',
        payload: { count }
      })
      const batch = (from: number): EntryDraft[] =>
        Array.from({ length: BATCH }, (_, index) => draft(from + index))
      // More at once than may wait: what does not fit is refused at once, what was taken is kept.
      const flood = Array.from({ length: 2 * Math.ceil(QUEUE_ENTRIES_MAX / BATCH) }, (_, index) =>
        chain.append(batch(index * BATCH))
      )
      const settled = await Promise.allSettled(flood)
      const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      assert(refused.length > 0, 'nothing was pushed back')
      assert(refused.every((error) => error.code === 'CHAIN_QUEUE_FULL' && error.retry === 'later'))
      let kept = (settled.length - refused.length) * BATCH
      let tenth = 0
      const writer = async (): Promise<void> => {
        while (kept < ENTRIES) {
          kept += BATCH
          await chain.append(batch(kept))
          if (tenth === 0 && kept >= ENTRIES / 10) tenth = heapInUse()
        }
      }
      await Promise.all(Array.from({ length: WRITERS }, writer))
      const grown = heapInUse() - tenth
      await chain.stop()
      const again = await open()
      const report = await again.verify()
      assert.deepEqual(report.problems, [])
      assert.equal(report.entries, kept)
      await again.stop()
      process.stderr.write(`      ${kept} entries, heap grew by ${(grown / 1e6).toFixed(1)} MB\n`)
      assert(grown < HEAP_GROWTH_MAX, `the heap grew by ${grown} bytes`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it(`${OWNERS * ROWS_PER_DOCUMENT_MAX} rows of ${OWNERS} members: taken in by another, one more refused, within memory`, async () => {
    const clock = new VirtualClock()
    const mesh = meshId('ab'.repeat(32))
    const side = (signer: Signer): Documents => {
      const deps = {
        signer,
        clock,
        log: silentLog,
        tasks: new Tasks(silentLog),
        store: new MemoryStore(),
        isMember: () => true,
        onPublished: () => undefined
      }
      const documents = new Documents(deps, { generation: 1 })
      documents.open(mesh)
      return documents
    }
    const viewer = side(signerOf(1))
    const before = process.memoryUsage().rss
    for (let owner = 0; owner < OWNERS; owner += 1) {
      const signer = signerOf(10 + owner)
      const documents = side(signer)
      for (let key = 0; key < ROWS_PER_DOCUMENT_MAX; key += 1) {
        documents.put('processes', `${key}`, { pid: key, state: 'running' })
      }
      assert.throws(() => documents.put('processes', 'more', 1), { code: 'MESH_LIMIT_REACHED' })
      for (let turn = 0; turn < 3; turn += 1) {
        await untilQuiet()
        clock.advanceTo(millis(clock.now() + 20))
      }
      const log = documents.log(signer.nodeId)
      assert(log !== null)
      viewer.receive(
        signer.nodeId,
        envelopesSince(log, null, 1e9).map(({ bytes }) => bytes)
      )
      const taken = Object.keys(viewer.of(signer.nodeId)['processes'] ?? {})
      assert.equal(taken.length, ROWS_PER_DOCUMENT_MAX)
    }
    const grown = process.memoryUsage().rss - before
    process.stderr.write(`      resident memory grew by ${(grown / 1e6).toFixed(0)} MB\n`)
    assert(grown < OWNERS * ROWS_PER_DOCUMENT_MAX * BYTES_A_ROW_MAX + 50e6, `grew by ${grown}`)
  })

  it(`${PEERS} peers: each costs a node two messages a second, and nobody is called dead`, () => {
    const fleet = new Fleet({ count: PEERS, seed: 15, lossPercent: 1, delayMs: [1, 20] })
    fleet.pass(10_000)
    const before = fleet.messages
    fleet.pass(30_000)
    const each = (fleet.messages - before) / 30 / PEERS
    process.stderr.write(`      ${each.toFixed(2)} messages a second and node\n`)
    assert(each < MESSAGES_MAX, `${each} messages a second and node`)
    assert.deepEqual(
      fleet.observations.filter(({ state }) => state === 'dead'),
      []
    )
  })
})

function signerOf(seed: number): Signer {
  return signerFromSeed(new Uint8Array(32).fill(seed))
}
