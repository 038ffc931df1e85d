import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pid, utf8 } from '../../../../core/index.ts'
import { parseJournal, ProcessJournal, readJournal } from '../../../../node/processes/journal.ts'
import { JOURNAL_BYTES_MAX, PIDS_PER_BLOCK } from '../../../../node/processes/limits.ts'
import { createPids } from '../../../../node/processes/pids.ts'
import { reap } from '../../../../node/processes/reaper.ts'
import { FakeOsProcesses } from '../../../doubles/fake-os-processes.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

const leader = (osPid: number): { readonly osPid: number; readonly start: string } => {
  return { osPid, start: `s ${osPid}` }
}

const mark = (
  home: string
): { readonly home: string; readonly boot: string; readonly pid: ReturnType<typeof pid> } => ({
  home,
  boot: 'b1',
  pid: pid(7)
})

async function reaped(
  os: FakeOsProcesses,
  journal: ReadonlyMap<number, { readonly osPid: number; readonly start: string }>
): Promise<readonly number[]> {
  const clock = new VirtualClock()
  const reaping = reap({ os, clock }, { home: 'aa', journal })
  // Between its rounds it waits; the second one finds nothing.
  for (let turn = 0; turn < 20; turn++) {
    await Promise.resolve()
    clock.advanceTo((clock.now() + 20) as never)
  }
  return (await reaping).map((process) => process.osPid)
}

describe('pids', () => {
  it('grow, are reserved in blocks, and are never given out twice (P1)', async () => {
    const store = new MemoryStore()
    const first = createPids({ store })
    const given = await Promise.all(Array.from({ length: PIDS_PER_BLOCK + 5 }, () => first.next()))
    assert.deepEqual(given.slice(0, 3), [1, 2, 3])
    assert.equal(new Set(given).size, given.length)
    assert.equal((await store.list('')).length, 1)
    // The next kernel begins after all that the last one may have given out.
    assert.equal(await createPids({ store }).next(), 2 * PIDS_PER_BLOCK + 1)
  })

  it('are not given out while no block can be reserved', async () => {
    const store = new MemoryStore()
    const pids = createPids({ store })
    store.failNextWrite(new Error('full'))
    await assert.rejects(pids.next(), /full/)
    assert.equal(await pids.next(), 1)
  })

  it('are not made up from a damaged store', async () => {
    const store = new MemoryStore()
    await store.write([{ key: 'processes/pids-reserved', value: utf8('many') }])
    await assert.rejects(createPids({ store }).next(), { code: 'CORE_INVALID_PID' })
  })
})

describe('ProcessJournal', () => {
  let directory: string
  let path: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-journal-'))
    path = join(directory, 'processes')
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  function open(): ProcessJournal {
    const journal = new ProcessJournal({ log: silentLog }, { path, boot: 'boot-1' })
    journal.open()
    return journal
  }

  it('tells a successor what was alive, at any moment (J1)', () => {
    const journal = open()
    journal.add(pid(1), leader(101))
    journal.add(pid(2), leader(102))
    journal.delete(pid(1))
    journal.delete(pid(1))
    assert.deepEqual([...readJournal(path, 'boot-1')], [[2, leader(102)]])
    assert.equal(statSync(path).mode & 0o777, 0o600)
    journal.close()
    journal.add(pid(3), leader(103)) // Closed: nowhere to write.
  })

  it('means nothing after the machine was started again, nor where there is none', () => {
    open().add(pid(1), leader(101))
    assert.equal(readJournal(path, 'boot-2').size, 0)
    assert.equal(readJournal(`${path}.none`, 'boot-1').size, 0)
  })

  it('is written anew when it has grown', () => {
    const journal = open()
    journal.add(pid(1), leader(101))
    for (let next = 2; next < 12_000; next++) {
      journal.add(pid(next), leader(next))
      journal.delete(pid(next))
    }
    assert.ok(statSync(path).size < JOURNAL_BYTES_MAX + 100)
    assert.deepEqual([...readJournal(path, 'boot-1')], [[1, leader(101)]])
    journal.close()
  })

  it('is read although its last line is torn, or others are damaged', () => {
    const text = 'boot-1\n+1 101 s\nnonsense\n+x 1 s\n+2 102 s\n-1\n+3 103'
    assert.deepEqual([...parseJournal(text, 'boot-1')], [[2, { osPid: 102, start: 's' }]])
    open().add(pid(1), leader(101))
    const written = readFileSync(path, 'utf8')
    for (let size = 0; size < written.length; size++) {
      assert.equal(parseJournal(written.slice(0, size), 'boot-1').size, 0)
    }
  })
})

describe('reap', () => {
  it('ends what carries the mark of this home, and what descends from it', async () => {
    const os = new FakeOsProcesses()
    os.add({ osPid: 10, leash: mark('aa') })
    os.add({ osPid: 11, parent: 10 })
    os.add({ osPid: 12, leash: mark('bb') })
    os.add({ osPid: 13 })
    assert.deepEqual(await reaped(os, new Map()), [10, 11])
    assert.deepEqual(os.osPids, [12, 13])
  })

  it('ends the groups of the journal, but no process that got an old number', async () => {
    const os = new FakeOsProcesses()
    os.add({ osPid: 10 })
    os.add({ osPid: 11, group: 10 })
    os.add({ osPid: 20, start: 'later' }) // Was 20 of the journal once.
    os.add({ osPid: 21, group: 20 })
    os.add({ osPid: 31, group: 30 }) // Its leader has gone: perhaps another 30.
    const journal = new Map([
      [1, { osPid: 10, start: 'start-10' }],
      [2, { osPid: 20, start: 'start-20' }],
      [3, { osPid: 30, start: 'start-30' }]
    ])
    assert.deepEqual(await reaped(os, journal), [10, 11])
    assert.deepEqual(os.osPids, [20, 21, 31])
  })

  it('spares the kernel itself, though a process of its predecessor started it', async () => {
    const os = new FakeOsProcesses()
    os.add({ osPid: 10, leash: mark('aa') })
    os.add({ osPid: process.pid, parent: 10, leash: mark('aa') })
    os.add({ osPid: 11, parent: process.pid })
    assert.deepEqual(await reaped(os, new Map()), [10])
  })
})
