// Goal: whatever a process started ends with it, and what exhausts a machine is dead in five seconds and
// costs the kernel little (attack 23).
// Method: real processes under a real host that fork into other sessions without the kernel's mark, fork
// without end, eat memory, flood their output and fill their disk; then they are stopped.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_SANDBOX, millis, pid } from '../../../core/index.ts'
import type { Limits } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import type { RunningProcess } from '../../../agents/index.ts'
import { detectContainment } from '../../../node/containment/detect.ts'
import { systemProcesses } from '../../../node/processes/system-processes.ts'
import { pause, Stage } from '../processes/stage.ts'

const DEAD_WITHIN_MS = 5000
const GROWTH_MAX = 50e6

describe('ending what was contained', function () {
  this.timeout(60_000)
  let stage: Stage
  let pids = 7000

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name !== 'bubblewrap') {
      process.stderr.write('skipped: there is no bubblewrap here\n')
      this.skip()
    }
    stage = await Stage.open()
    await stage.host.start()
  })
  after(() => stage?.stop())

  async function spawn(
    script: string,
    { containment = 'os', ...limits }: Partial<Limits> & { containment?: 'os' | 'none' } = {}
  ): Promise<RunningProcess> {
    pids += 1
    const cwd = join(stage.directory, 'work', String(pids))
    mkdirSync(cwd, { recursive: true })
    const sandbox = {
      ...DEFAULT_SANDBOX,
      containment,
      limits: { ...DEFAULT_SANDBOX.limits, ...limits }
    }
    const request = { pid: pid(pids), command: ['sh', '-c', script], env: {}, io: null } as const
    return await stage.host.spawn({ ...request, cwd, isOwnFolder: true, sandbox })
  }

  /** How many processes of this machine have `word` as an argument, zombies left out. */
  async function countOf(word: string): Promise<number> {
    const processes = await systemProcesses.scan({ withLeashes: false })
    return processes.filter(({ osPid, isZombie }) => {
      if (isZombie) return false
      try {
        return readFileSync(`/proc/${osPid}/cmdline`, 'utf8').split('\0').includes(word)
      } catch {
        return false
      }
    }).length
  }

  for (const containment of ['os', 'none'] as const) {
    it(`ends what env -i, a double fork and setsid hide (containment ${containment})`, async function () {
      const groups = stage.groups()
      if (containment === 'none' && !groups.canKill) {
        process.stderr.write('skipped: no control groups can be made here\n')
        this.skip()
      }
      const word = `${7_000_000 + pids}`
      const hidden = `env -i setsid sh -c '(sleep ${word} >/dev/null 2>&1 &) ; exit 0' &`
      const running = await spawn(`${hidden} sleep 0.3; exec sleep ${word}`, { containment })
      while ((await countOf(word)) < 2) await pause()
      await running.stop(millis(100))
      const since = systemClock.now()
      while ((await countOf(word)) > 0) {
        assert(systemClock.now() - since < DEAD_WITHIN_MS, 'it lives on')
        await pause()
      }
    })
  }

  /** Until `isFelt`, or its own end; then how long its end takes and what it cost this process. */
  async function suffer(
    script: string,
    limits: Partial<Limits>,
    isFelt: (pid: number) => boolean
  ): Promise<void> {
    const before = process.memoryUsage().rss
    const running = await spawn(script, limits)
    while (!isFelt(pids) && (await isAlive(running.osPid))) await pause()
    const since = systemClock.now()
    await running.stop(millis(0))
    const took = systemClock.now() - since
    assert(took < DEAD_WITHIN_MS, `its end took ${took} ms`)
    const growth = process.memoryUsage().rss - before
    assert(growth < GROWTH_MAX, `this kernel grew by ${Math.round(growth / 1e6)} MB`)
    assert(!existsSync(`/proc/${running.osPid}/status`) || !(await isAlive(running.osPid)))
  }

  /** The files of a process's spool. */
  function spoolOf(number: number): readonly string[] {
    const folder = join(stage.directory, 'spool')
    const own = readdirSync(folder).filter((name) => name.startsWith(`${number}.`))
    return own.map((name) => join(folder, name))
  }

  function said(number: number): string {
    return spoolOf(number)
      .map((path) => readFileSync(path, 'latin1'))
      .join('')
  }

  async function isAlive(osPid: number): Promise<boolean> {
    const processes = await systemProcesses.scan({ withLeashes: false })
    return processes.some((one) => one.osPid === osPid && !one.isZombie)
  }

  it('a fork bomb stays within its limit, and is dead in five seconds', async () => {
    const script = 'bomb() { bomb | bomb & }; bomb; wait; sleep 100'
    // The shell says that it cannot fork any more.
    await suffer(script, { pids: 64 }, (number) => /fork/i.test(said(number)))
  })

  it('one that eats memory is ended by its limit', async function () {
    if (stage.groups().controllers.memory === undefined) {
      process.stderr.write('skipped: no control group of memory here\n')
      this.skip()
    }
    const { exited } = await spawn('head -c 2000000000 /dev/zero | tail -c 1000000000 >/dev/null', {
      memoryBytes: 64e6
    })
    assert.deepEqual(await exited, { code: 128 + 9, signal: null })
  })

  it('a flood of output costs this process no memory, and ends', async () => {
    const script = 'yes "a line of some length that says nothing at all"'
    // Until what is kept of it is full.
    await suffer(script, {}, (number) =>
      spoolOf(number).some((path) => statSync(path).size > 3e6 && !path.endsWith('.0'))
    )
  })

  it('a disk that is filled ends with the process: its /tmp is memory of its own limit', async function () {
    if (stage.groups().controllers.memory === undefined) {
      process.stderr.write('skipped: no control group of memory here\n')
      this.skip()
    }
    const script = 'cat /dev/zero >/tmp/full; echo full; sleep 100'
    await suffer(script, { memoryBytes: 128e6 }, (number) => said(number).includes('full'))
  })
})
