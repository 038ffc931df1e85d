import assert from 'node:assert/strict'
import fc from 'fast-check'
import { findLeash, parseStat } from '../../../../node/processes/linux-processes.ts'
import { parsePsLine } from '../../../../node/processes/mac-processes.ts'
import { isLedBy, treesOf, withDescendants } from '../../../../node/processes/os-processes.ts'
import { sendSignal, signalName } from '../../../../node/processes/signals.ts'
import { FakeOsProcesses } from '../../../doubles/fake-os-processes.ts'

const units = { pageBytes: 4096, ticksPerSecond: 100 }

const found = (spared: number): Promise<readonly number[]> =>
  table().then((processes) =>
    withDescendants(processes, spared, (process) => process.osPid === 10).map(
      (process) => process.osPid
    )
  )

// 10 leads 11; 12 left for a session of its own; 13 descends from 12; 20 is somebody else's.
async function table(): ReturnType<FakeOsProcesses['scan']> {
  const os = new FakeOsProcesses()
  os.add({ osPid: 10, parent: 5 })
  os.add({ osPid: 11, parent: 10, group: 10, session: 10 })
  os.add({ osPid: 12, parent: 11 })
  os.add({ osPid: 13, parent: 12, isZombie: true })
  os.add({ osPid: 14, parent: 12 })
  os.add({ osPid: 20 })
  return await os.scan()
}

const find = (...items: readonly string[]): unknown =>
  findLeash(Buffer.from(items.map((item) => `${item}\0`).join('')))

describe('parseStat', () => {
  it('reads a line of proc(5)', () => {
    const line =
      '12594 (cat) R 12584 12584 2900 0 -1 4194304 101 0 0 0 3 2 10 5 20 0 1 0 147654 3133440 350 184'
    assert.deepEqual(parseStat(line, units), {
      osPid: 12594,
      parent: 12584,
      group: 12584,
      session: 2900,
      start: '147654',
      isZombie: false,
      command: 'cat',
      cpuMs: 200,
      residentBytes: 350 * 4096,
      leash: null
    })
  })

  it('is not led astray by the name of a command', () => {
    const line = '7 (a) Z 1 (b\n) Z 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0'
    const parsed = parseStat(line, units)
    assert.deepEqual(
      [parsed?.osPid, parsed?.command, parsed?.isZombie, parsed?.start],
      [7, 'a) Z 1 (b\n', true, '99']
    )
  })

  it('gives null for anything else, and never throws', () => {
    for (const line of ['', 'x', '1 (a', '1 (a) R', ') (', '1 (a) R 1 1 1']) {
      assert.equal(parseStat(line, units), null, line)
    }
    fc.assert(fc.property(fc.string(), (line) => void parseStat(line, units)))
  })
})

describe('findLeash', () => {
  it('finds the mark anywhere in an environment', () => {
    const leash = { home: 'ab', boot: 'cd', pid: 7 }
    assert.deepEqual(find('WEAVER_LEASH=ab:cd:7'), leash)
    assert.deepEqual(find('A=b', 'WEAVER_LEASH=ab:cd:7', 'C=d'), leash)
    assert.deepEqual(findLeash(Buffer.from('A=b\0WEAVER_LEASH=ab:cd:7')), leash)
  })

  it('takes nothing else for it', () => {
    assert.equal(find('A=b'), null)
    assert.equal(find(), null)
    assert.equal(find('XWEAVER_LEASH=ab:cd:7'), null)
    assert.equal(find('A=WEAVER_LEASH=ab:cd:7'), null)
    assert.equal(find('WEAVER_LEASH=other'), null)
  })
})

describe('parsePsLine', () => {
  it('reads a line of ps -E as macOS prints it', () => {
    const line =
      '  501   1   501 0      Ss+    2048   1:02.50 Sat Nov 21 02:32:26 2026     /bin/sh -c x A=b ' +
      'WEAVER_LEASH=ab:cd:7 C=d'
    assert.deepEqual(parsePsLine(line), {
      osPid: 501,
      parent: 1,
      group: 501,
      session: 0,
      start: 'Sat Nov 21 02:32:26 2026',
      isZombie: false,
      command: '/bin/sh',
      cpuMs: 62_500,
      residentBytes: 2048 * 1024,
      leash: { home: 'ab', boot: 'cd', pid: 7 }
    })
  })

  it('gives null for anything else, and never throws', () => {
    assert.equal(parsePsLine(''), null)
    fc.assert(fc.property(fc.string(), (line) => void parsePsLine(line)))
  })
})

describe('a process table', () => {
  const leader = { osPid: 10, start: 'start-10' }

  it('has trees by group, session and parents', async () => {
    const trees = treesOf(await table(), new Map([['a', leader]]))
    assert.deepEqual(
      trees.get('a')?.map((process) => process.osPid),
      [10, 11, 12, 13, 14]
    )
  })

  it('does not take a process for a leader by its number alone', async () => {
    const processes = await table()
    const later = { osPid: 10, start: 'another start' }
    assert.deepEqual(treesOf(processes, new Map([['a', later]])).get('a'), [])
    const byPid = new Map(processes.map((process) => [process.osPid, process]))
    const member = byPid.get(11)
    assert.ok(member !== undefined)
    assert.equal(isLedBy(member, later, byPid), false)
    assert.equal(isLedBy(member, leader, byPid), true)
    byPid.delete(10) // The leader is gone, its group still has its number.
    assert.equal(isLedBy(member, later, byPid), true)
  })

  it('has descendants, without zombies, without one that is spared and what is below it', async () => {
    assert.deepEqual(await found(0), [10, 11, 12, 14])
    assert.deepEqual(await found(12), [10, 11])
  })
})

describe('signals', () => {
  it('have names with and without SIG', () => {
    assert.equal(signalName('TERM'), 'SIGTERM')
    assert.equal(signalName('SIGUSR1'), 'SIGUSR1')
    assert.throws(() => signalName('SIGNOPE'), { code: 'PROCESS_UNKNOWN_SIGNAL' })
    assert.throws(() => signalName('constructor'), { code: 'PROCESS_UNKNOWN_SIGNAL' })
  })

  it('to nobody are no error', () => {
    assert.equal(sendSignal(process.pid, 0), true)
    assert.equal(sendSignal(2 ** 22 + 1, 0), false)
  })
})
