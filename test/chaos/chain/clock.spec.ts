// Fault R7: wall clocks that are ten years off, or go back while a kernel runs. Goal: nothing but what is shown of time
// depends on them. Method: a real kernel under libfaketime, whose time a file says; its monotonic clock is left alone.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { millis } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { Lab, until } from '../kernel/lab.ts'

const LIBRARY = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`

describe('chaos: wall clocks that are far off, and go back (R7)', function () {
  this.timeout(180_000)
  let lab: Lab

  before(function () {
    if (existsSync(LIBRARY)) return
    process.stderr.write('  skipped: libfaketime is not installed\n')
    this.skip()
  })
  beforeEach(async () => {
    lab = await Lab.open()
  })
  afterEach(() => lab.close())

  it('a member ten years ahead, then an hour behind itself, then twenty years back, works and moves nobody', async () => {
    const time = join(lab.folder, 'time')
    await writeFile(time, '+3650d\n')
    const env = [`LD_PRELOAD=${LIBRARY}`, `FAKETIME_TIMESTAMP_FILE=${time}`]
    lab.runBehind('server', ['env', ...env, 'FAKETIME_NO_CACHE=1', 'DONT_FAKE_MONOTONIC=1'])
    const laptop = await lab.start('laptop')
    const server = await lab.start('server', '--join', await lab.invite('laptop'))
    const run = async (): Promise<void> => {
      const there = await lab.weaver(
        'laptop',
        'run',
        '--on',
        'server',
        '--timeout',
        '30s',
        '--',
        'true'
      )
      assert.equal(there.code, 0, there.stderr)
      const back = await lab.weaver(
        'server',
        'run',
        '--on',
        'laptop',
        '--timeout',
        '30s',
        '--',
        'true'
      )
      assert.equal(back.code, 0, back.stderr)
    }
    await run()
    await until(async () => {
      const { lanes } = await laptop.client.chainStatus()
      return (lanes.find(({ node }) => node === 'server')?.clockAheadMs ?? 0) > 9 * 365 * 86_400_000
    })
    for (const offset of ['+3649d', '-3650d']) {
      await writeFile(time, `${offset}\n`)
      await run()
    }
    // The lane of the server goes on behind its own latest time; the laptop's clock was moved by none of it.
    for (const { client } of [laptop, server]) {
      await until(async () =>
        (await client.chainStatus()).lanes.every(({ state }) => state === 'ok')
      )
      assert.deepEqual((await client.verifyChain(null, true)).problems, [])
    }
    const log = await lab.weaver('laptop', 'chain', 'log', '--node', 'laptop', '-n', '1', '--json')
    const last: { time: number } = JSON.parse(log.stdout)
    assert(Math.abs(last.time - (performance.timeOrigin + performance.now())) < 600_000, log.stdout)
    assert(
      (await laptop.client.peers()).every(({ state }) => state === 'self' || state === 'alive')
    )
    // No busy loop: at rest it wants less than a fifth of a core.
    const pid = await lab.pidOf('server')
    await until(async () => (await shareWanted(pid)) < 0.2)
    await lab.done('server', 'kernel', 'restart')
    await run()
  })
})

/**
 * How much of a core the main thread of a process wants, over a second or so: the time it ran, and the time it waited for a
 * core. So a loop that never rests wants all of one, however many others there are.
 */
async function shareWanted(pid: number): Promise<number> {
  const wantedMs = async (): Promise<number> => {
    const [ran = 0, waited = 0] = (await readFile(`/proc/${pid}/schedstat`, 'utf8'))
      .split(' ')
      .map(Number)
    return (ran + waited) / 1e6
  }
  const [before, began] = [await wantedMs(), performance.now()]
  await systemClock.sleep(millis(1000))
  return ((await wantedMs()) - before) / (performance.now() - began)
}
