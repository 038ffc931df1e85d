// Roots, inclusion and consistency paths of RFC 6962 sections 2.1.1 and 2.1.2, from whole subtrees. Pure but
// for the reading of nodes.

import { emptyRoot, sha256Pair } from '../offline/tree.ts'
import { nodePrimitives } from '../offline/node-primitives.ts'
import type { NodeReader } from './tree-store.ts'

const pair = sha256Pair(nodePrimitives)

/** The root of the first `size` leaves. */
export function rootAt(node: NodeReader, size: number): Promise<Uint8Array> {
  return size === 0 ? Promise.resolve(emptyRoot(nodePrimitives)) : rangeHash(node, 0, size)
}

/** From the leaf's sibling up to the root's child. `index` < `size`. */
export async function inclusionPath(
  node: NodeReader,
  index: number,
  size: number
): Promise<readonly Uint8Array[]> {
  const path: Promise<Uint8Array>[] = []
  let [start, end] = [0, size]
  while (end - start > 1) {
    const middle = start + split(end - start)
    if (index < middle) {
      path.unshift(rangeHash(node, middle, end))
      end = middle
    } else {
      path.unshift(rangeHash(node, start, middle))
      start = middle
    }
  }
  return Promise.all(path)
}

/** Empty where `oldSize` is 0 or `size`. `oldSize` <= `size`. */
export async function consistencyPath(
  node: NodeReader,
  oldSize: number,
  size: number
): Promise<readonly Uint8Array[]> {
  if (oldSize === 0) return []
  const path: Promise<Uint8Array>[] = []
  let [start, end] = [0, size]
  // Whether the old tree is exactly the left side of what is at hand, so that its verifier has the hash.
  let isOldWhole = true
  while (end > oldSize) {
    const middle = start + split(end - start)
    if (oldSize <= middle) {
      path.unshift(rangeHash(node, middle, end))
      end = middle
    } else {
      path.unshift(rangeHash(node, start, middle))
      start = middle
      isOldWhole = false
    }
  }
  if (!isOldWhole) path.unshift(rangeHash(node, start, end))
  return Promise.all(path)
}

/** The hash over leaves `start` to `end`; `start` is a multiple of the largest power of two that fits. */
async function rangeHash(node: NodeReader, start: number, end: number): Promise<Uint8Array> {
  const size = end - start
  const level = Math.log2(size)
  if (Number.isInteger(level)) return node(level, start / size)
  const middle = start + split(size)
  const [left, right] = [rangeHash(node, start, middle), rangeHash(node, middle, end)]
  return pair(await left, await right)
}

/** The largest power of two below `size`, which is at least 2. */
function split(size: number): number {
  let power = 1
  while (power * 2 < size) power *= 2
  return power
}
