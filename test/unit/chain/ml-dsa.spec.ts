// Conformance with FIPS 204 by published vectors: the accumulated tests of C2SP/CCTV, ML-DSA/accumulated (one hash stands
// for the keys and the deterministic signatures of many seeds). Method: @noble/post-quantum makes them; the hash says that
// they are the published ones; each of our verifiers must take every one of them, and none with a changed bit.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js'
import { nodePrimitives } from '../../../chain/offline/index.ts'
import { noblePrimitives } from '../../../scripts/verify-page/primitives.ts'

const COUNT = 100
const PUBLISHED = 'd51148e1f9f4fa1a723a6cf42e25f2a99eb5c1b378b3d2dbbd561b1203beeae4'
const NOTHING = new Uint8Array(0)
const INDEPENDENT = resolve(import.meta.dirname, '../../independent')

interface Vector {
  readonly key: Uint8Array
  readonly signature: Uint8Array
}

/** Of the seeds that SHAKE128 of nothing gives, one behind the other. */
function vectors(): readonly Vector[] {
  const seeds = createHash('shake128', { outputLength: 32 * COUNT }).digest()
  return Array.from({ length: COUNT }, (_, index) => {
    const { publicKey, secretKey } = ml_dsa44.keygen(seeds.subarray(32 * index, 32 * (index + 1)))
    const signature = ml_dsa44.sign(NOTHING, secretKey, { extraEntropy: false })
    return { key: publicKey, signature }
  })
}

function changed(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  const at = bit % (8 * copy.length)
  copy[at >> 3] = (copy[at >> 3] ?? 0) ^ (1 << (at & 7))
  return copy
}

describe('chain: ML-DSA-44', function () {
  this.timeout(60_000)
  let known: readonly Vector[]

  before(() => {
    known = vectors()
  })

  it('the vectors are the published ones', () => {
    const accumulated = createHash('shake128', { outputLength: 32 })
    for (const { key, signature } of known) accumulated.update(key).update(signature)
    assert.equal(accumulated.digest('hex'), PUBLISHED)
  })

  it('both verifiers of ours take each of them, and none with a changed bit', () => {
    for (const [index, { key, signature }] of known.entries()) {
      const bit = index * 7919
      for (const { mlDsa44 } of index % 10 === 0
        ? [nodePrimitives, noblePrimitives]
        : [nodePrimitives]) {
        assert(mlDsa44(key, NOTHING, signature), `vector ${index}`)
        assert(!mlDsa44(key, NOTHING, changed(signature, bit)), `vector ${index}, signature`)
        assert(!mlDsa44(changed(key, bit), NOTHING, signature), `vector ${index}, key`)
        assert(!mlDsa44(key, Uint8Array.of(0), signature), `vector ${index}, message`)
      }
    }
  })

  it('the independent verifier takes them, and none with a changed bit', async function () {
    if (spawnSync('python3', ['--version']).status !== 0) {
      process.stderr.write('  skipped: python3 is not installed\n')
      this.skip()
    }
    const shown = known
      .slice(0, 12)
      .flatMap(({ key, signature }, index) => [
        [key, signature, true] as const,
        [key, changed(signature, index * 7919), false] as const
      ])
    const rows = shown.map(([key, signature]) => {
      return [Buffer.from(key).toString('hex'), Buffer.from(signature).toString('hex')]
    })
    const program = [
      'import json, sys, ml_dsa_44 as m',
      'h = bytes.fromhex',
      'print(json.dumps([m.verify(h(k), b"", h(s)) for k, s in json.load(sys.stdin)]))'
    ].join('\n')
    const running = promisify(execFile)('python3', ['-c', program], { cwd: INDEPENDENT })
    running.child.stdin?.end(JSON.stringify(rows))
    const { stdout } = await running
    assert.deepEqual(
      JSON.parse(stdout),
      shown.map(([, , isSound]) => isSound)
    )
  })
})
