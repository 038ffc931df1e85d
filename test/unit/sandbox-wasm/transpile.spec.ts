import assert from 'node:assert/strict'
import { WeaverError } from '../../../core/index.ts'
import { TRANSPILED_BYTES_MAX } from '../../../sandbox-wasm/limits.ts'
import type { TranspilerLink } from '../../../sandbox-wasm/ports.ts'
import { transpile } from '../../../sandbox-wasm/transpile.ts'
import type { Translation } from '../../../sandbox-wasm/transpile-cache.ts'
import type { TranspileReply } from '../../../sandbox-wasm/worker/protocol.ts'
import { ManualClock, settle } from './doubles.ts'

const GOOD = {
  type: 'transpiled',
  imports: [],
  exports: ['call', 'describe'],
  files: [{ name: 'tool.js', base64: 'eA==' }]
} as const

class FakeTranspiler implements TranspilerLink {
  isKilled = false
  readonly reply = Promise.withResolvers<TranspileReply>()
  readonly #ended = Promise.withResolvers<WeaverError>()
  readonly ended: Promise<WeaverError> = this.#ended.promise

  request(): Promise<TranspileReply> {
    return this.reply.promise
  }

  kill(): void {
    this.isKilled = true
    const error = new WeaverError('SANDBOX_WORKER_DIED', 'gone')
    this.reply.reject(error)
    this.#ended.resolve(error)
  }
}

describe('transpile()', () => {
  let clock: ManualClock
  let link: FakeTranspiler
  let abort: AbortController
  beforeEach(() => {
    clock = new ManualClock()
    link = new FakeTranspiler()
    abort = new AbortController()
  })
  afterEach(() => {
    assert.equal(link.isKilled, true)
    assert.equal(clock.sleepers, 0)
  })

  function start(): Promise<Translation> {
    const launcher = {
      guest: () => Promise.reject(new Error('not asked for')),
      transpiler: () => Promise.resolve(link)
    }
    const wish = { name: 'x', component: Uint8Array.of(1), containment: 'os' } as const
    return transpile({ launcher, clock }, wish, abort.signal)
  }

  it('gives what the process made, and ends it', async () => {
    link.reply.resolve(GOOD)
    const { files, exports } = await start()
    assert.deepEqual(files, [{ name: 'tool.js', bytes: Uint8Array.of(0x78) }])
    assert.deepEqual(exports, ['call', 'describe'])
  })

  it('refuses a component that does not follow the world, or grows too large', async () => {
    const half = 'A'.repeat((TRANSPILED_BYTES_MAX / 6) * 4)
    const large = ['a.wasm', 'b.wasm', 'c.wasm'].map((name) => ({ name, base64: half }))
    const replies: TranspileReply[] = [
      { type: 'invalid', why: 'magic' },
      { ...GOOD, exports: ['call'] },
      { ...GOOD, files: large }
    ]
    for (const reply of replies) {
      link = new FakeTranspiler()
      link.reply.resolve(reply)
      await assert.rejects(start(), { code: 'SANDBOX_COMPONENT_INVALID' })
    }
  })

  it('gives up on a component that takes too long', async () => {
    const refused = assert.rejects(start(), { code: 'SANDBOX_COMPONENT_INVALID' })
    await settle()
    await clock.advance(60_000)
    await refused
  })

  it('says so when the process ends first, and throws the reason when it is stopped', async () => {
    const failed = assert.rejects(start(), { code: 'SANDBOX_WORKER_FAILED', retry: 'later' })
    await settle()
    link.kill()
    await failed
    link = new FakeTranspiler()
    const stopped = assert.rejects(start(), /stopping/)
    await settle()
    abort.abort(new Error('stopping'))
    await stopped
  })
})
