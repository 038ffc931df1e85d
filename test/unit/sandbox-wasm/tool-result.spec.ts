import assert from 'node:assert/strict'
import { millis } from '../../../core/index.ts'
import { toolResult } from '../../../sandbox-wasm/tool-result.ts'
import type { ToolResult } from '../../../sandbox-wasm/tool-result.ts'
import type { PoolOutcome } from '../../../sandbox-wasm/worker-pool.ts'

function resultOf(outcome: PoolOutcome): ToolResult {
  return toolResult({ outcome, durationMs: millis(3) }, millis(1000))
}

function failed(text: string): ToolResult {
  return resultOf({ type: 'failed', text, memoryBytes: 7 })
}

function codeOfReturned(text: string): string | undefined {
  return resultOf({ type: 'returned', text, memoryBytes: 1 }).error?.code
}

function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

describe('toolResult()', () => {
  it('gives the JSON that the tool returned', () => {
    assert.deepEqual(resultOf({ type: 'returned', text: '{"a":[1]}', memoryBytes: 7 }), {
      ok: true,
      output: { a: [1] },
      error: null,
      durationMs: 3,
      memoryBytes: 7
    })
  })

  it("keeps the tool's own error code and message", () => {
    const { ok, error } = failed('{"code":"HASH_X","message":"no"}')
    assert.deepEqual({ ok, error }, { ok: false, error: { code: 'HASH_X', message: 'no' } })
  })

  it('gives an error without a usable code one, and lets no tool speak for the sandbox', () => {
    assert.deepEqual(failed('oh no').error, { code: 'TOOL_FAILED', message: 'oh no' })
    for (const code of ['SANDBOX_TIMED_OUT', 'lower', '', 7, null]) {
      const { error } = failed(JSON.stringify({ code, message: 'm' }))
      assert.deepEqual(error, { code: 'TOOL_FAILED', message: 'm' })
    }
    assert.equal(failed('[]').error?.message, '[]')
    assert.equal(failed('x'.repeat(5000)).error?.message.length, 1000)
  })

  it('refuses an answer that is too long, or so deep that writing it out would overflow', () => {
    assert.equal(codeOfReturned(nested(100)), undefined)
    assert.equal(codeOfReturned(nested(101)), 'SANDBOX_OUTPUT_INVALID')
    assert.equal(codeOfReturned(nested(1_000_000)), 'SANDBOX_OUTPUT_INVALID')
    assert.equal(codeOfReturned(`"${'x'.repeat(2 ** 22 - 2)}"`), undefined)
    assert.equal(codeOfReturned(`"${'x'.repeat(2 ** 22 - 1)}"`), 'SANDBOX_OUTPUT_TOO_LARGE')
  })

  it('names each way in which a call ends without an answer', () => {
    const codes = (
      [
        { type: 'returned', text: 'hello', memoryBytes: 1 },
        { type: 'trapped', text: 'unreachable', memoryBytes: 1 },
        { type: 'output-too-large', bytes: 1e8, memoryBytes: 1 },
        { type: 'timed-out' },
        { type: 'died', why: 'SIGABRT' }
      ] as const
    ).map((outcome) => resultOf(outcome).error?.code)
    assert.deepEqual(codes, [
      'SANDBOX_OUTPUT_INVALID',
      'SANDBOX_GUEST_TRAPPED',
      'SANDBOX_OUTPUT_TOO_LARGE',
      'SANDBOX_TIMED_OUT',
      'SANDBOX_WORKER_DIED'
    ])
    assert.equal(resultOf({ type: 'timed-out' }).memoryBytes, null)
  })
})
