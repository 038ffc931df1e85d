// Goal: what rows cost is bounded by the rows there are, not by how often they have changed.
// Method: two of three members change their rows over and over on virtual time, over real stores on a real
// disk. Every node's documents and store, and this process's memory, are looked at after a tenth of the
// changes and at the end.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { Lab } from '../unit/mesh/lab.ts'
import type { Kernel } from '../unit/mesh/lab.ts'
import {
  DELTA_BYTES_PER_BASE_FACTOR,
  DELTA_BYTES_PER_BASE_MIN,
  STORE_SLACK_BYTES
} from '../../mesh/limits.ts'
import { DiskStore } from './disk-store.ts'
import { heapInUse, isLong } from './profile.ts'

const CHANGES: number = isLong ? 1_000_000 : 30_000
const ROWS = 500
const PER_STEP = 25
const STEP_MS = 20
const HEAP_GROWTH_MAX = 8 * 1024 * 1024
/** Of everything: WebAssembly's memory, where documents live, never shrinks. */
const RESIDENT_GROWTH_MAX = 64 * 1024 * 1024
/** The base is no larger than its text; then the steps since, and one more. */
const KEPT_FACTOR: number = 1 + DELTA_BYTES_PER_BASE_FACTOR
const KEPT_REST: number = 2 * DELTA_BYTES_PER_BASE_MIN

interface Node {
  readonly kernel: Kernel
  readonly store: DiskStore
}

interface Sizes {
  /** Text of the rows that others have, per node: what its replicas stand for. */
  readonly text: readonly number[]
  readonly kept: readonly number[]
  readonly disk: readonly number[]
  readonly heap: number
  readonly resident: number
}

describe('soak: rows that change for ever', function () {
  this.timeout(isLong ? 3_600_000 : 300_000)
  let folder = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-growth-'))
  })

  after(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it(`take bounded memory and disk over ${CHANGES} changes`, async () => {
    const lab = new Lab()
    const founder = await lab.founder('server')
    const nodes = [
      await node(lab, founder, join(folder, 'laptop')),
      await node(lab, founder, join(folder, 'tablet')),
      await node(lab, founder, join(folder, 'reader'))
    ]
    lab.disk = () => {
      const working = nodes.flatMap(({ store }) => store.working() ?? [])
      return working.length === 0 ? null : Promise.all(working)
    }
    const authors = nodes.slice(0, 2).map(({ kernel }) => kernel)
    const changes = new Changes(lab, [founder, ...nodes.map(({ kernel }) => kernel)], authors)
    await changes.make(CHANGES / 10)
    const before = await sizes(lab, nodes, authors)
    await changes.make((CHANGES * 9) / 10)
    const after = await sizes(lab, nodes, authors)
    const told = `${JSON.stringify(before)} then ${JSON.stringify(after)}`
    for (const { kernel } of nodes) {
      for (const { id, mesh } of authors)
        assert.deepEqual(kernel.mesh.rows.of(id), mesh.rows.of(id))
    }
    for (const each of [before, after]) {
      for (const [index, text] of each.text.entries()) {
        const kept = each.kept[index] ?? Infinity
        assert.ok(kept > 0 && kept <= KEPT_FACTOR * text + KEPT_REST, told)
        assert.ok((each.disk[index] ?? Infinity) <= kept + STORE_SLACK_BYTES, told)
      }
    }
    assert.ok(after.heap - before.heap < HEAP_GROWTH_MAX, told)
    assert.ok(after.resident - before.resident < RESIDENT_GROWTH_MAX, told)
    console.log(`      ${told}`)
    for (const { mesh } of [founder, ...nodes.map(({ kernel }) => kernel)]) {
      await lab.settle(mesh.stop())
    }
    for (const { store } of nodes) await store.close()
  })
})

async function node(lab: Lab, founder: Kernel, path: string): Promise<Node> {
  const store = await DiskStore.open(path)
  lab.disk = () => store.working()
  const home = lab.home(basename(path))
  const kernel = await lab.boot(home, home.address, lab.clock, store)
  await lab.join(kernel, await lab.invite(founder))
  await lab.pass(3000)
  return { kernel, store }
}

/** All in calm: replicas have followed to disk. */
async function sizes(lab: Lab, nodes: readonly Node[], authors: readonly Kernel[]): Promise<Sizes> {
  await lab.pass(10_000)
  const text = nodes.map(({ kernel }) => {
    const others = authors.filter(({ id }) => id !== kernel.id)
    return others.reduce((sum, { id, mesh }) => sum + JSON.stringify(mesh.rows.of(id)).length, 0)
  })
  const kept = await Promise.all(
    nodes.map(async ({ store }) => {
      const replicas = await store.list('mesh/replica/')
      return replicas.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
    })
  )
  const disk = await Promise.all(nodes.map(({ store }) => store.bytesOnDisk()))
  return { text, kept, disk, heap: heapInUse(), resident: process.memoryUsage().rss }
}

class Changes {
  readonly #lab: Lab
  readonly #all: readonly Kernel[]
  readonly #authors: readonly Kernel[]
  #made = 0

  constructor(lab: Lab, all: readonly Kernel[], authors: readonly Kernel[]) {
    this.#lab = lab
    this.#all = all
    this.#authors = authors
  }

  async make(count: number): Promise<void> {
    const end = this.#made + count
    while (this.#made < end) {
      for (const { mesh } of this.#authors) {
        for (let step = 0; step < PER_STEP; step++) {
          const changed = (this.#made += 1)
          const row = `row ${changed % ROWS}`
          mesh.rows.put('soak', row, { changed, state: 'running', cpu: changed % 7 })
        }
      }
      await this.#lab.pass(STEP_MS)
      for (const { heard } of this.#all) heard.length = 0 // What the lab writes down for other tests.
    }
  }
}
