import assert from 'node:assert/strict'
import { channelPair, pid, utf8 } from '../../../../core/index.ts'
import type { FrameChannel } from '../../../../core/index.ts'
import { Redactor, secretPatterns } from '../../../../governance/index.ts'
import { decodeIoFrame } from '../../../../node/api/io-frame.ts'
import type { Output } from '../../../../node/processes/output.ts'
import { ProcessIo } from '../../../../node/processes/process-io.ts'
import { silentLog } from '../../../doubles/silent-log.ts'

/** Chunks with a byte of room in front, as the pipes give them. */
function output(...texts: readonly string[]): Output {
  async function* chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const text of texts) yield new Uint8Array([0, ...utf8(text)])
  }
  return { chunks: chunks(), destroy: () => undefined }
}

describe('node/processes/process-io', () => {
  const patterns = secretPatterns([utf8('correct-horse')])
  const filter = (): Redactor => new Redactor(patterns)

  async function written(
    channel: FrameChannel | null
  ): Promise<{ spooled: string; io: ProcessIo }> {
    let spooled = ''
    const append = async (_: unknown, stream: string, bytes: Uint8Array): Promise<void> => {
      spooled += `<${stream}>${Buffer.from(bytes).toString()}`
    }
    const io = new ProcessIo(
      { log: silentLog, spool: { append }, onSignal: () => undefined },
      {
        pid: pid(1),
        channel,
        stdin: null,
        stdout: output('a correct-', 'horse b correct'),
        stderr: output('corr'),
        filter
      }
    )
    await io.drained
    return { spooled, io }
  }

  it('lets nothing into the spool that its filter keeps, and loses nothing else', async () => {
    const { spooled } = await written(null)
    const of = (stream: string): string =>
      [...spooled.matchAll(/<(\w+)>([^<]*)/g)].map((m) => (m[1] === stream ? m[2] : '')).join('')
    assert.equal(of('stdout'), 'a [redacted] b correct')
    assert.equal(of('stderr'), 'corr')
  })

  it('lets nothing through a channel either, and what was held back comes before the exit', async () => {
    const [ours, theirs] = channelPair()
    const gathered = (async () => {
      const seen = { stdout: '', stderr: '', last: '' }
      for await (const bytes of ours.frames) {
        const frame = decodeIoFrame(bytes)
        if (frame.kind === 'stdout' || frame.kind === 'stderr') {
          seen[frame.kind] += Buffer.from(frame.bytes).toString()
        }
        seen.last = frame.kind
      }
      return seen
    })()
    const { io } = await written(theirs)
    await io.finish({ code: 0, signal: null })
    const expected = { stdout: 'a [redacted] b correct', stderr: 'corr', last: 'exit' }
    assert.deepEqual(await gathered, expected)
  })
})
