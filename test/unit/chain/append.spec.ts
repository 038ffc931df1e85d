import assert from 'node:assert/strict'
import type { EntryDraft, LaneHead, LogEntry } from '../../../chain/index.ts'
import { appendBlocks, codeOf, draft, kit, laneFile, recordsOf } from './kit.ts'

describe('chain: append', () => {
  it('append() returns where the entries stand, and they are there after a restart', async () => {
    const { lane, open } = kit()
    const chain = await open()
    const refs = await chain.append([draft(1), draft(2)])
    assert.deepEqual(
      refs.map((ref) => ref.id),
      [`1.0@${lane}`, `1.1@${lane}`]
    )
    await chain.stop()
    const again = await open()
    const [head] = again.heads()
    assert.deepEqual([head?.height, head?.entries], [1, 2])
    const entry = await again.entry(`1.1@${lane}`)
    assert.deepEqual([entry?.subject, entry?.payload], ['task:2', { number: 2 }])
    assert.equal(await again.entry(`1.2@${lane}`), null)
    assert.equal(await again.entry(`2.0@${lane}`), null)
    await again.stop()
  })

  it('appends that wait together share one block, one write and one sync (D1)', async () => {
    const { disk, open } = kit()
    const chain = await open()
    await chain.append([draft(0)])
    disk.actions.length = 0
    const release = disk.holdSyncs()
    const first = chain.append([draft(1)])
    while (disk.actions.length === 0) await Promise.resolve()
    const rest = [2, 3, 4, 5].map((number) => chain.append([draft(number), draft(-number)]))
    release()
    const heights = (await Promise.all([first, ...rest])).flatMap((refs) =>
      refs.map(({ height, index }) => `${height}.${index}`)
    )
    assert.deepEqual(heights, ['2.0', '3.0', '3.1', '3.2', '3.3', '3.4', '3.5', '3.6', '3.7'])
    assert.deepEqual(
      disk.actions.map((action) => action.split(' ')[0]),
      ['write', 'sync', 'write', 'sync']
    )
    await chain.stop()
  })

  it('nothing is acknowledged before its sync, and nothing is announced (G1, C2)', async () => {
    const { disk, open } = kit()
    const chain = await open()
    const release = disk.holdSyncs()
    const heads: LaneHead[] = []
    chain.onAdvance((head) => heads.push(head))
    let isDone = false
    const done = chain.append([draft(1)]).then(() => (isDone = true))
    for (let turn = 0; turn < 100; turn += 1) await Promise.resolve()
    assert.deepEqual([isDone, heads.length, chain.heads().length], [false, 0, 0])
    release()
    await done
    assert.deepEqual(heads, chain.heads())
    await chain.stop()
  })

  it('a queue beyond its bound refuses at once, and takes more later (G3)', async () => {
    const { disk, open } = kit()
    const chain = await open()
    const release = disk.holdSyncs()
    const many = Array.from({ length: 1024 }, (_, number) => draft(number))
    const waiting = Array.from({ length: 8 }, () => chain.append(many))
    const refused = chain.append([draft(0)])
    assert.equal(await codeOf(refused), 'CHAIN_QUEUE_FULL')
    release()
    await Promise.all(waiting)
    await chain.append([draft(0)])
    assert.equal((await chain.verify()).ok, true)
    assert.equal(chain.heads()[0]?.entries, 8 * 1024 + 1)
    await chain.stop()
  })

  it('an abort withdraws what waits, and leaves alone what is being written (G4)', async () => {
    const { disk, open } = kit()
    const chain = await open()
    const release = disk.holdSyncs()
    const taken = new AbortController()
    const waits = new AbortController()
    const first = chain.append([draft(1)], taken.signal)
    while (disk.actions.length === 0) await Promise.resolve()
    const second = chain.append([draft(2)], waits.signal)
    const third = chain.append([draft(3)], AbortSignal.abort(new Error('too late')))
    taken.abort(new Error('no'))
    waits.abort(new Error('changed my mind'))
    await assert.rejects(second, /changed my mind/)
    await assert.rejects(third, /too late/)
    release()
    assert.equal((await first)[0]?.height, 1)
    assert.equal(chain.heads()[0]?.entries, 1)
    await chain.stop()
  })

  it('what is not an entry is refused, and nothing of its append is recorded (G2)', async () => {
    const { open } = kit()
    const chain = await open()
    const looped: unknown[] = []
    looped.push(looped)
    const bad: readonly Partial<EntryDraft>[] = [
      { kind: 'Not A Kind' },
      { kind: '' },
      { actor: '' },
      { subject: 'x'.repeat(201) },
      { subject: 'a\u0000b' },
      { payload: undefined as unknown as null },
      { payload: { when: new Map() } as unknown as null },
      { payload: looped as unknown as null },
      { payload: Number.NaN },
      { payload: new Uint8Array(64 * 1024) }
    ]
    for (const extra of bad) {
      const code = await codeOf(chain.append([draft(1), draft(2, extra)]))
      assert.equal(code, 'CHAIN_DRAFT_INVALID')
    }
    const wide = Array.from({ length: 20 }, (_, number) =>
      draft(number, { payload: new Uint8Array(60_000) })
    )
    assert.equal(await codeOf(chain.append(wide)), 'CHAIN_APPEND_TOO_LARGE')
    const many = Array.from({ length: 1025 }, (_, number) => draft(number))
    assert.equal(await codeOf(chain.append(many)), 'CHAIN_APPEND_TOO_LARGE')
    assert.deepEqual(await chain.append([]), [])
    assert.deepEqual(chain.heads(), [])
    await chain.stop()
  })

  it('changes to a payload after append() do not reach the lane', async () => {
    const { lane, open } = kit()
    const chain = await open()
    const payload = { list: [1] }
    const done = chain.append([draft(1, { payload })])
    payload.list.push(2)
    await done
    assert.deepEqual((await chain.entry(`1.0@${lane}`))?.payload, { list: [1] })
    await chain.stop()
  })

  it('stop() drains what waits, is idempotent, and further calls are refused', async () => {
    const { open } = kit()
    const chain = await open()
    const waiting = [chain.append([draft(1)]), chain.append([draft(2)])]
    await Promise.all([chain.stop(), chain.stop()])
    assert.equal((await Promise.all(waiting)).length, 2)
    assert.equal(await codeOf(chain.append([draft(3)])), 'CHAIN_STOPPED')
    const again = await open()
    assert.equal(again.heads()[0]?.entries, 2)
    await again.stop()
  })

  it('a lane goes on over many files, and is read as one', async () => {
    const { disk, lane, open } = kit()
    const options = { segmentBytes: 700 }
    const chain = await open(options)
    await appendBlocks(chain, 1, 2, 3, 1, 1, 1)
    await chain.stop()
    assert(disk.names().filter((name) => name.endsWith('.lane')).length >= 3)
    const again = await open(options)
    await appendBlocks(again, 1, 1)
    assert.equal((await recordsOf(again, lane)).length, 8)
    const report = await again.verify()
    assert.deepEqual([report.ok, report.blocks, report.entries], [true, 8, 11])
    assert.equal((await again.entry(`5.0@${lane}`))?.subject, 'task:0')
    await again.stop()
  })

  it('a listener that throws harms nobody', async () => {
    const { open } = kit()
    const chain = await open()
    chain.onAdvance(() => {
      throw new Error('mine')
    })
    const seen: number[] = []
    const stopListening = chain.onAdvance((head) => seen.push(head.height))
    await appendBlocks(chain, 1, 1)
    stopListening()
    await appendBlocks(chain, 1)
    assert.deepEqual(seen, [1, 2])
    await chain.stop()
  })
})

async function all(entries: AsyncIterable<LogEntry>): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { height, index, kind, subject } of entries) {
    found.push(`${height}.${index} ${kind} ${subject}`)
  }
  return found
}

describe('chain: log', () => {
  it('log() filters by kind, subject, process, time and number', async () => {
    const { clock, lane, open } = kit()
    const chain = await open()
    await chain.append([
      draft(1),
      draft(2, { kind: 'process.started', subject: 'process:7@laptop' })
    ])
    const start = clock.wall()
    clock.advanceTo(1000 as ReturnType<typeof clock.now>)
    await chain.append([draft(3, { actor: 'process:7@laptop' })])
    await chain.append([draft(4)])
    const first = '1.0 task.submitted task:1'
    const second = '1.1 process.started process:7@laptop'
    const third = '2.0 task.submitted task:3'
    const fourth = '3.0 task.submitted task:4'
    assert.deepEqual(await all(chain.log()), [first, second, third, fourth])
    assert.deepEqual(await all(chain.log({ kind: 'process.started' })), [second])
    assert.deepEqual(await all(chain.log({ subject: 'task:3' })), [third])
    assert.deepEqual(await all(chain.log({ actor: 'user:local' })), [first, second, fourth])
    assert.deepEqual(await all(chain.log({ process: '7@laptop' })), [second, third])
    assert.deepEqual(await all(chain.log({ lane, last: 2 })), [third, fourth])
    assert.deepEqual(await all(chain.log({ last: 2, kind: 'task.submitted' })), [third, fourth])
    assert.deepEqual(await all(chain.log({ last: 1, kind: 'process.started' })), [second])
    assert.deepEqual(await all(chain.log({ last: 0 })), [])
    const later = (start + 1) as typeof start
    assert.deepEqual(await all(chain.log({ from: later })), [third, fourth])
    assert.deepEqual(await all(chain.log({ before: later })), [first, second])
    assert.equal(await codeOf(all(chain.log({ last: -1 }))), 'CHAIN_QUERY_INVALID')
    await chain.stop()
  })

  it('log() merges lanes by their clocks', async () => {
    const one = kit(1)
    const two = kit(2)
    const [a, b] = [await one.open(), await two.open()]
    await a.append([draft(1)])
    await a.accept(two.lane, [])
    two.clock.advanceTo(5 as ReturnType<typeof two.clock.now>)
    await b.append([draft(2)])
    one.clock.advanceTo(10 as ReturnType<typeof one.clock.now>)
    await a.append([draft(3)])
    await a.accept(two.lane, await recordsOf(b, two.lane))
    const order = (await all(a.log())).map((line) => line.split(':').at(-1))
    assert.deepEqual(order, ['1', '2', '3'])
    assert.deepEqual(
      (await all(a.log({ last: 2 }))).map((line) => line.split(':').at(-1)),
      ['2', '3']
    )
    await a.stop()
    await b.stop()
  })

  it('log() follows new blocks, and ends with its signal or the chain', async () => {
    const { open } = kit()
    const chain = await open()
    await chain.append([draft(1)])
    const stop = new AbortController()
    const followed = chain.log({ follow: true, last: 1, signal: stop.signal })
    const subject = async (): Promise<unknown> => {
      const next = await followed.next()
      return next.done === true ? 'done' : next.value.subject
    }
    assert.equal(await subject(), 'task:1')
    const pending = subject()
    await chain.append([draft(2), draft(3)])
    assert.deepEqual([await pending, await subject()], ['task:2', 'task:3'])
    const last = subject()
    stop.abort()
    assert.equal(await last, 'done')
    const until = all(chain.log({ follow: true }))
    await chain.stop()
    assert.equal((await until).length <= 3, true)
  })

  it('log() shows what is sound of a damaged lane', async () => {
    const { disk, lane, open } = kit()
    const chain = await open()
    await appendBlocks(chain, 1, 1, 1)
    const [first] = await recordsOf(chain, lane)
    disk.flip(laneFile(disk, lane), (first?.length ?? 0) + 2)
    assert.deepEqual(
      (await all(chain.log())).map((line) => line.split('.')[0]),
      ['1', '3']
    )
    await chain.stop()
  })
})
