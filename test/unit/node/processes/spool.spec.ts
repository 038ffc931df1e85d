import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pid, utf8 } from '../../../../core/index.ts'
import {
  encodeRecordHead,
  parseRecords,
  RECORD_HEAD_BYTES
} from '../../../../node/processes/spool-format.ts'
import type { SpoolChunk } from '../../../../node/processes/spool-format.ts'
import { Spool } from '../../../../node/processes/spool.ts'
import type { SpoolOptions } from '../../../../node/processes/spool.ts'
import { silentLog } from '../../../doubles/silent-log.ts'

const ONE = pid(1)

async function all(spool: Spool, fromOffset: number = 0): Promise<readonly SpoolChunk[]> {
  const chunks: SpoolChunk[] = []
  const signal = new AbortController().signal
  for await (const chunk of spool.read(ONE, fromOffset, signal, false)) chunks.push(chunk)
  return chunks
}

function text(chunks: readonly SpoolChunk[]): string {
  return chunks.map(({ bytes }) => Buffer.from(bytes).toString()).join('')
}

describe('Spool', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-spool-'))
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function open(options: Partial<SpoolOptions> = {}): Spool {
    const spool = new Spool({ log: silentLog }, { directory, ...options })
    spool.start()
    return spool
  }

  it('gives back what was written, with its stream and its offset (O1, O2)', async () => {
    const spool = open()
    await spool.append(ONE, 'stdout', utf8('one '))
    await spool.append(ONE, 'stderr', utf8('two '))
    await spool.append(ONE, 'stdout', utf8('three'))
    const chunks = await all(spool)
    assert.deepEqual(
      chunks.map(({ offset, stream }) => [offset, stream]),
      [
        [0, 'stdout'],
        [4, 'stderr'],
        [8, 'stdout']
      ]
    )
    assert.equal(text(chunks), 'one two three')
    assert.equal(text(await all(spool, 6)), 'o three')
    assert.equal((await all(spool, 6))[0]?.offset, 6)
    assert.equal(text(await all(spool, 13)), '')
    assert.equal(text(await all(spool, 99)), '')
    await spool.stop()
  })

  it('has nothing of a process that wrote nothing, and makes no file for it', async () => {
    const spool = open()
    spool.hold(ONE)()
    assert.deepEqual(await all(spool), [])
    assert.deepEqual(readdirSync(directory), [])
    await spool.stop()
  })

  it('is followed by several readers at once, from where each wants to begin', async () => {
    const spool = open()
    const release = spool.hold(ONE)
    const { signal } = new AbortController()
    const follow = async (from: number): Promise<string> => {
      let got = ''
      for await (const { bytes } of spool.read(ONE, from, signal))
        got += Buffer.from(bytes).toString()
      return got
    }
    const readers = [follow(0), follow(3), follow(1000)]
    let expected = ''
    for (let line = 0; line < 500; line++) {
      await spool.append(ONE, 'stdout', utf8(`line ${line}\n`))
      expected += `line ${line}\n`
    }
    release()
    release() // Once is enough.
    assert.deepEqual(await Promise.all(readers), [
      expected,
      expected.slice(3),
      expected.slice(1000)
    ])
    await spool.stop()
  })

  it('is followed over a pause in which somebody else holds it', async () => {
    const spool = open()
    const agent = spool.hold(ONE)
    const reading = (async () => {
      let got = ''
      for await (const { bytes } of spool.read(ONE, 0, new AbortController().signal)) {
        got += Buffer.from(bytes).toString()
      }
      return got
    })()
    for (const run of ['one ', 'two ', 'three']) {
      const release = spool.hold(ONE)
      await spool.append(ONE, 'stdout', utf8(run))
      release()
    }
    agent()
    assert.equal(await reading, 'one two three')
    await spool.stop()
  })

  it('lets a reader go at once when it aborts, without an error', async () => {
    const spool = open()
    spool.hold(ONE)
    const leaving = new AbortController()
    const reading = spool.read(ONE, 0, leaving.signal)
    const next = reading.next()
    leaving.abort()
    assert.deepEqual(await next, { done: true, value: undefined })
    await spool.stop()
  })

  it('keeps the newest output within its bound, and readers see the gap (O1)', async () => {
    const spool = open({ processBytesMax: 40_000 })
    const line = utf8('x'.repeat(99))
    for (let count = 0; count < 2000; count++) await spool.append(ONE, 'stdout', line)
    const bytes = readdirSync(directory)
      .map((name) => statSync(join(directory, name)).size)
      .reduce((sum, size) => sum + size, 0)
    assert.ok(bytes < 42_000, String(bytes))
    const chunks = await all(spool)
    assert.ok((chunks[0]?.offset ?? 0) > 150_000)
    assert.equal((chunks.at(-1)?.offset ?? 0) + 99, 198_000)
    for (const [index, chunk] of chunks.entries()) {
      const before = chunks[index - 1]
      if (before !== undefined) assert.equal(chunk.offset, before.offset + 99)
    }
    await spool.stop()
  })

  it('a reader that is overtaken by the rotation goes on with what there is', async () => {
    const spool = open({ processBytesMax: 8000 })
    spool.hold(ONE)
    await spool.append(ONE, 'stdout', utf8('first'))
    const reading = spool.read(ONE, 0, new AbortController().signal)
    assert.equal((await reading.next()).value?.offset, 0)
    for (let count = 0; count < 500; count++) await spool.append(ONE, 'stdout', new Uint8Array(99))
    await spool.stop()
    // What it has open it still reads; then it goes on with the oldest file that is left.
    let last = 0
    let gaps = 0
    for await (const { offset, bytes } of reading) {
      assert.ok(offset >= last)
      if (offset > last + 5) gaps += 1
      last = offset + bytes.length
    }
    assert.equal(last, 5 + 500 * 99)
    assert.equal(gaps, 1)
  })

  it('splits what is too large for one record', async () => {
    const spool = open()
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251)
    await spool.append(ONE, 'stdout', bytes)
    const chunks = await all(spool)
    assert.deepEqual(Buffer.concat(chunks.map((chunk) => chunk.bytes)), Buffer.from(bytes))
    await spool.stop()
  })

  it('is there for the next kernel, without half a record (O2)', async () => {
    const first = open()
    await first.append(ONE, 'stdout', utf8('whole '))
    await first.append(ONE, 'stdout', utf8('torn'))
    await first.stop()
    await first.stop()
    const path = join(directory, readdirSync(directory)[0] ?? '')
    truncateSync(path, statSync(path).size - 1)
    writeFileSync(join(directory, 'not-ours'), 'x')

    const second = open()
    assert.equal(text(await all(second)), 'whole ')
    await second.append(ONE, 'stdout', utf8('more'))
    const chunks = await all(second)
    assert.equal(text(chunks), 'whole more')
    assert.ok((chunks[1]?.offset ?? 0) >= 10)
    await second.stop()
  })

  it('removes what ended first when all together are too much', async () => {
    const spool = open({ totalBytesMax: 5000 })
    const held = spool.hold(pid(1))
    for (const number of [1, 2, 3, 4]) {
      const release = spool.hold(pid(number))
      await spool.append(pid(number), 'stdout', new Uint8Array(2000))
      release()
    }
    await spool.append(pid(5), 'stdout', new Uint8Array(10))
    const left = readdirSync(directory).map((name) => name.split('.')[0])
    assert.ok(left.includes('1')) // Still held.
    assert.ok(!left.includes('2'))
    held()
    await spool.stop()
  })

  it('drops what the disk refuses, counts it, and keeps what there was (O3)', async () => {
    const spool = open()
    const release = spool.hold(ONE)
    await spool.append(ONE, 'stdout', utf8('kept '))
    release()
    await spool.append(pid(2), 'stdout', utf8('x')) // After the closing of the first.
    rmSync(directory, { recursive: true })
    await spool.append(pid(3), 'stdout', utf8('lost'))
    assert.equal(spool.bytesDropped(pid(3)), 4)
    assert.equal(spool.bytesDropped(ONE), 0)
    await spool.stop()
  })
})

describe('parseRecords', () => {
  it('reads whole records and nothing else, wherever the block ends', () => {
    const records = fc.array(
      fc.record({
        stream: fc.constantFrom('stdout' as const, 'stderr' as const),
        bytes: fc.uint8Array({ maxLength: 40 })
      })
    )
    fc.assert(
      fc.property(records, fc.nat(), (written, cut) => {
        let offset = 0
        const parts: Uint8Array[] = []
        for (const { stream, bytes } of written) {
          parts.push(encodeRecordHead({ offset, stream, size: bytes.length }), bytes)
          offset += bytes.length
        }
        const whole = Buffer.concat(parts)
        const block = whole.subarray(0, cut % (whole.length + 1))
        const { chunks, consumed } = parseRecords(block)
        assert.ok(consumed <= block.length)
        assert.ok(block.length - consumed < RECORD_HEAD_BYTES + 41)
        for (const [index, chunk] of chunks.entries()) {
          assert.equal(chunk.stream, written[index]?.stream)
          assert.deepEqual([...chunk.bytes], [...(written[index]?.bytes ?? [])])
        }
      })
    )
  })

  it('stops at damage and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (block) => {
        assert.ok(parseRecords(block).consumed <= block.length)
      })
    )
  })
})
