// R10 and attack 24: 200,000 spoiled frames against every reader of bytes. Half are spoiled byte by byte, half
// value by value within canonical CBOR, which gets further in.

import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeCbor } from '../../../core/index.ts'
import { SeededPrng } from '../../sim/world/seeded-prng.ts'
import { DECODERS, isRefusal } from './decoders.ts'
import type { Decoder } from './decoders.ts'
import { drawn, opened, spoiledBytes, spoiledValue } from './mutations.ts'

const SEED = Number(process.env['WEAVER_TEST_SEED'] ?? 20_261_121)
const FRAMES = Math.ceil(200_000 / DECODERS.length)
const WARM_UP = Math.floor(FRAMES / 4)
/** What one frame may take. Another process may have had the processor, so a slow one is read again. */
const SLOW_MS = 100
const GROWTH_MAX_BYTES = 20e6

function isTaken(decoder: Decoder, frame: Uint8Array): boolean {
  try {
    const value = decoder.decode(frame)
    if (value === null || value === undefined) return false
    if (decoder.encode !== undefined) {
      const again = decoder.encode(value as never)
      assert.deepEqual(
        Buffer.from(again),
        Buffer.from(frame),
        `${decoder.name} takes a second form`
      )
    }
    return true
  } catch (error) {
    if (isRefusal(error)) return false
    throw new Error(`${decoder.name}: ${Buffer.from(frame).toString('hex').slice(0, 400)}`, {
      cause: error
    })
  }
}

function slowest(decoder: Decoder, frame: Uint8Array): number {
  let least = Infinity
  for (let turn = 0; turn < 5 && least > SLOW_MS; turn += 1) {
    const start = performance.now()
    isTaken(decoder, frame)
    least = Math.min(least, performance.now() - start)
  }
  return least
}

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

/** Bytes in use, after garbage has been collected. */
async function held(): Promise<number> {
  // What the first one frees of buffers is counted out in the next turn.
  collectGarbage()
  await setImmediate()
  collectGarbage()
  const { heapUsed, arrayBuffers, external } = process.memoryUsage()
  return heapUsed + arrayBuffers + external
}

describe('spoiled frames (R10, 24)', function () {
  this.timeout(120_000)

  for (const [index, decoder] of DECODERS.entries()) {
    it(`${decoder.name}: ${FRAMES} are read or refused, quickly, in little memory`, async () => {
      for (const frame of decoder.sound) assert(isTaken(decoder, frame), 'a sound one is refused')
      const prng = new SeededPrng(SEED + index)
      let before = 0
      let refused = 0
      for (let turn = 0; turn < FRAMES; turn += 1) {
        // Code and caches that the first frames fill are no growth.
        if (turn === WARM_UP) before = await held()
        const sound = drawn(prng, decoder.sound)
        const value = turn % 2 === 0 ? opened(sound) : undefined
        const frame =
          value === undefined ? spoiledBytes(prng, sound) : encodeCbor(spoiledValue(prng, value))
        const start = performance.now()
        if (!isTaken(decoder, frame)) refused += 1
        if (performance.now() - start > SLOW_MS) {
          const ms = slowest(decoder, frame)
          assert(ms <= SLOW_MS, `${ms} ms for ${Buffer.from(frame).toString('hex').slice(0, 400)}`)
        }
      }
      assert(refused > FRAMES / 20, `only ${refused} were refused`)
      const grown = (await held()) - before
      assert(grown < GROWTH_MAX_BYTES, `memory grew by ${grown} bytes`)
      assert.equal(Object.keys(Object.prototype).length, 0)
    })
  }
})
