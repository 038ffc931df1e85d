import assert from 'node:assert/strict'
import { WeaverError } from '../../../../core/index.ts'
import { decodeIoFrame, encodeIoFrame } from '../../../../node/api/io-frame.ts'
import type { IoFrame } from '../../../../node/api/io-frame.ts'
import { TASK } from '../../../doubles/kernel-service.ts'

const FRAMES: readonly (readonly [type: number, frame: IoFrame])[] = [
  [0, { kind: 'stdin', bytes: Uint8Array.of(0, 255, 10) }],
  [1, { kind: 'stdin-end' }],
  [2, { kind: 'signal', name: 'SIGINT' }],
  [3, { kind: 'resize', columns: 80, rows: 24 }],
  [16, { kind: 'stdout', bytes: new Uint8Array(0) }],
  [17, { kind: 'stderr', bytes: Uint8Array.of(1) }],
  [18, { kind: 'exit', exit: { code: null, signal: 'SIGKILL' } }],
  [18, { kind: 'exit', exit: { code: 255, signal: null } }],
  [19, { kind: 'note', text: 'waiting for a GPU …' }],
  [20, { kind: 'outcome', task: TASK }],
  [21, { kind: 'failure', error: { code: 'A_B', message: 'm', hint: null } }],
  [22, { kind: 'accepted', task: TASK }],
  [32, { kind: 'submission', submission: { command: ['true'] } }]
]

describe('io frames', () => {
  for (const [type, frame] of FRAMES) {
    it(`of kind ${frame.kind} begin with ${type} and come back as they were`, () => {
      const bytes = encodeIoFrame(frame)
      assert.equal(bytes[0], type)
      assert.deepEqual(decodeIoFrame(bytes), frame)
    })
  }

  const damaged: readonly (readonly [what: string, bytes: readonly number[]])[] = [
    ['no byte', []],
    ['an unknown type', [99]],
    ['a signal of lower case', [2, 0x6b]],
    ['an exit that is no map', [18, 0x01]],
    ['an exit without its fields', [18, 0xa0]],
    ['an exit of half a map', [18, 0xa1]],
    ['a window without columns', [3, 0xa0]],
    ['an outcome that is no JSON', [20, 0x7b]]
  ]
  for (const [what, bytes] of damaged) {
    it(`refuse ${what}`, () => {
      assert.throws(
        () => decodeIoFrame(Uint8Array.from(bytes)),
        (error) =>
          error instanceof WeaverError && /^(API_INVALID_FRAME|CORE_INVALID_CBOR)$/.test(error.code)
      )
    })
  }
})
