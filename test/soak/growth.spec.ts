// Goal: what rows cost is bounded by the rows there are, not by how often they have changed.
// Method: one member changes rows over and over on virtual time; another one's disk and this process's
// memory are looked at after a tenth of the changes and at the end.

import assert from 'node:assert/strict'
import process from 'node:process'
import { Lab } from '../unit/mesh/lab.ts'
import type { Kernel } from '../unit/mesh/lab.ts'
import { heapInUse, isLong } from './profile.ts'

const CHANGES: number = isLong ? 1_000_000 : 40_000
const ROWS = 500
const PER_STEP = 100
const STEP_MS = 20
const HEAP_GROWTH_MAX = 8 * 1024 * 1024
/** Of everything: WebAssembly's memory, where documents live, never shrinks. */
const RESIDENT_GROWTH_MAX = 64 * 1024 * 1024
/** The base, four times its size of steps or 64 KiB, and one step more; each no larger than its text. */
const DISK_FACTOR = 5
const DISK_REST = 128 * 1024

describe('soak: rows that change for ever', function () {
  this.timeout(isLong ? 3_600_000 : 300_000)

  it(`take bounded memory and disk over ${CHANGES} changes`, async () => {
    const lab = new Lab()
    const author = await lab.founder('author')
    const reader = await lab.member(author, 'reader')
    await change(lab, author, CHANGES / 10)
    await lab.pass(10_000)
    const before = await sizes(reader)
    await change(lab, author, (CHANGES * 9) / 10)
    await lab.pass(10_000)
    const after = await sizes(reader)
    const told = `${JSON.stringify(before)} then ${JSON.stringify(after)}`
    assert.deepEqual(reader.mesh.rows.of(author.id), author.mesh.rows.of(author.id))
    for (const { disk, text } of [before, after]) {
      assert.ok(disk > 0 && disk <= DISK_FACTOR * text + DISK_REST, told)
    }
    assert.ok(after.heap - before.heap < HEAP_GROWTH_MAX, told)
    assert.ok(after.resident - before.resident < RESIDENT_GROWTH_MAX, told)
    console.log(`      ${told}`)
    for (const { mesh } of [author, reader]) await lab.settle(mesh.stop())

    async function sizes(of: Kernel): Promise<Sizes> {
      let disk = 0
      for (const [key, value] of await of.home.store.list('mesh/replica/')) {
        disk += key.length + value.length
      }
      const text = JSON.stringify(author.mesh.rows.of(author.id)).length
      return { disk, text, heap: heapInUse(), resident: process.memoryUsage().rss }
    }
  })
})

interface Sizes {
  readonly disk: number
  readonly text: number
  readonly heap: number
  readonly resident: number
}

let changed = 0

async function change(lab: Lab, { mesh, heard }: Kernel, count: number): Promise<void> {
  const end = changed + count
  while (changed < end) {
    for (let step = 0; step < PER_STEP; step++) {
      changed += 1
      mesh.rows.put('soak', `row ${changed % ROWS}`, {
        changed,
        state: 'running',
        cpu: changed % 7
      })
    }
    await lab.pass(STEP_MS)
    heard.length = 0
  }
}
