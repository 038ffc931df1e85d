import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex } from '../../../core/index.ts'
import { nodePrimitives } from '../../../chain/offline/node-primitives.ts'
import {
  CompactTree,
  emptyRoot,
  isConsistent,
  rootOfInclusion,
  sha256Leaf,
  sha256Pair
} from '../../../chain/offline/tree.ts'
import { consistencyPath, inclusionPath, rootAt } from '../../../chain/proofs/paths.ts'
import { TreeStore } from '../../../chain/proofs/tree-store.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { signerOf } from './kit.ts'

const pair = sha256Pair(nodePrimitives)
const lane = signerOf(1).nodeId

/** The inputs and roots of the test of RFC 6962's reference implementation. */
const INPUTS = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f'
].map((text) => fromHex(text) ?? new Uint8Array(0))
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'
]

/** RFC 6962 section 2.1, word for word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  if (first === undefined) return emptyRoot(nodePrimitives)
  if (leaves.length === 1) return first
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return pair(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

function leavesOf(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    sha256Leaf(nodePrimitives, Uint8Array.of(index >> 16, index >> 8, index))
  )
}

async function treeOf(leaves: readonly Uint8Array[]): Promise<TreeStore> {
  const tree = await TreeStore.open(new MemoryLaneDisk().mount(), lane, 0)
  await tree.extend(leaves)
  return tree
}

describe('chain: the tree of RFC 6962', () => {
  it('has the published roots', async () => {
    const leaves = INPUTS.map((input) => sha256Leaf(nodePrimitives, input))
    const tree = await treeOf(leaves)
    const compact = new CompactTree(pair)
    for (const [index, root] of ROOTS.entries()) {
      assert.equal(toHex(await rootAt(tree.reader(), index + 1)), root)
      compact.append(leaves[index] ?? new Uint8Array(0))
      assert.equal(toHex(compact.root() ?? new Uint8Array(0)), root)
    }
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    assert.equal(toHex(await rootAt(tree.reader(), 0)), empty)
  })

  it('has the published inclusion and consistency paths', async () => {
    const tree = await treeOf(INPUTS.map((input) => sha256Leaf(nodePrimitives, input)))
    const inclusion = await inclusionPath(tree.reader(), 5, 8)
    assert.deepEqual(inclusion.map(toHex), [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'
    ])
    const consistency = await consistencyPath(tree.reader(), 6, 8)
    assert.deepEqual(consistency.map(toHex), [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'
    ])
  })

  it('every path of trees around the width of a tile checks out, and no other leaf or size does', async () => {
    const leaves = leavesOf(1100)
    const tree = await treeOf(leaves)
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 1100 }),
      fc.constantFrom(255, 256, 257, 512, 1024)
    )
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (size, a, b) => {
        const root = naiveRoot(leaves.slice(0, size))
        assert.deepEqual(await rootAt(tree.reader(), size), root)
        const index = a % size
        const path = await inclusionPath(tree.reader(), index, size)
        const leaf = leaves[index] ?? root
        assert.deepEqual(rootOfInclusion({ index, size, leaf, path }, pair), root)
        if (size > 1) {
          const other = (index + 1) % size
          const wrong = rootOfInclusion({ index: other, size, leaf, path }, pair)
          assert.notDeepEqual(wrong, root)
        }
        assert.equal(rootOfInclusion({ index, size, leaf, path: [...path, leaf] }, pair), null)
        const oldSize = b % (size + 1)
        const growth = {
          oldSize,
          oldRoot: naiveRoot(leaves.slice(0, oldSize)),
          size,
          root,
          path: await consistencyPath(tree.reader(), oldSize, size)
        }
        assert(isConsistent(growth, pair), `${oldSize} to ${size}`)
        if (oldSize > 0) {
          assert(
            !isConsistent({ ...growth, oldRoot: leaf === root ? pair(leaf, leaf) : leaf }, pair) ||
              oldSize === 1
          )
          assert(!isConsistent({ ...growth, path: [...growth.path, leaf] }, pair))
        }
      }),
      { numRuns: 300 }
    )
  })

  it('goes on from its files, and reads the same from them as from memory', async () => {
    const disk = new MemoryLaneDisk()
    const leaves = leavesOf(700)
    let size = 0
    for (const part of [1, 254, 1, 1, 300, 143]) {
      const tree = await TreeStore.open(disk.mount(), lane, size)
      assert.equal(tree.size, size)
      await tree.extend(leaves.slice(size, size + part))
      size += part
      assert.deepEqual(await rootAt(tree.reader(), size), naiveRoot(leaves.slice(0, size)))
      await tree.flush()
      assert.deepEqual(await rootAt(tree.reader(), size), naiveRoot(leaves.slice(0, size)))
    }
    assert.equal(
      (await TreeStore.open(disk.mount(), lane, 701)).size,
      0,
      'more than the files hold'
    )
  })
})
