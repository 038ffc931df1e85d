import assert from 'node:assert/strict'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { memoriesDefined } from '../../../sandbox-wasm/worker/memories.ts'

describe('memoriesDefined()', () => {
  it('counts the memories a module defines, exported or not, and not those it imports', async () => {
    const cases: readonly (readonly [string, number])[] = [
      ['(module)', 0],
      ['(module (memory 1))', 1],
      ['(module (import "a" "b" (memory 1)) (func))', 0],
      [
        `(module (func) (table 1 funcref) ${'(memory 1)'.repeat(200)} (global i32 i32.const 0))`,
        200
      ]
    ]
    for (const [text, count] of cases) assert.equal(memoriesDefined(await parse(text)), count, text)
  })
})
