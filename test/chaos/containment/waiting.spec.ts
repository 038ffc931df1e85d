// Goal: what a waiting shell becomes is contained, limited and ended as what is started anew.
// Method: real starts by a real host, seen from outside: a process's control group has the name that its shell waited
// in; and a kernel that dies while shells wait.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { DEFAULT_SANDBOX } from '../../../core/index.ts'
import { detectContainment } from '../../../node/containment/detect.ts'
import { contained } from '../../doubles/sandboxes.ts'
import { Stage } from '../processes/stage.ts'
import { until } from '../kernel/lab.ts'

describe('a shell that waits to become a contained process', function () {
  this.timeout(60_000)
  let stage: Stage

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name !== 'bubblewrap') {
      process.stderr.write('skipped: there is no bubblewrap here\n')
      this.skip()
    }
    stage = await Stage.open({ sandbox: contained })
    await stage.host.start()
    await (await stage.attach('true')).outcome() // The first makes that others wait.
    await someWait()
  })
  after(async () => await stage?.stop())

  function waiting(): readonly string[] {
    const found = execFileSync('ps', ['-eo', 'ppid=,args='], { encoding: 'utf8' })
    const own = new RegExp(`^\\s*${process.pid} /bin/sh -c ulimit.*bwrap`)
    return found.split('\n').filter((line) => own.test(line))
  }

  async function someWait(): Promise<void> {
    await until(async () => waiting().length > 0)
  }

  it('gives it its words, its input, its output and its folder', async () => {
    await someWait()
    const attached = await stage.attach(
      'sh',
      '-c',
      'pwd; echo "$1"; cat; ls -A; exit 7',
      'sh',
      ' a  *'
    )
    await attached.send({ kind: 'stdin', bytes: Buffer.from('said\n') })
    const { stdout, exit } = await attached.outcome()
    assert.equal(stdout, '/task\n a  *\nsaid\n')
    assert.deepEqual(exit, { code: 7, signal: null })
  })

  it('has no input where nobody is attached', async () => {
    await someWait()
    const { running } = await stage.detached(
      'sh',
      '-c',
      '[ "$(readlink /proc/self/fd/0)" = /dev/null ]'
    )
    assert.deepEqual(await running.exited, { code: 0, signal: null })
  })

  it('stands in a control group of its own that bounds its processes, and behind all walls', async function () {
    if (stage.groups().controllers.pids === undefined) {
      process.stderr.write('skipped: no control groups can be made here\n')
      this.skip()
    }
    await someWait()
    const { running } = await stage.detached('sleep', '100')
    const groups = readFileSync(`/proc/${running.osPid}/cgroup`, 'utf8')
    assert.match(groups, /\/waiting-\d+$/m)
    const attached = await stage.attach(
      'grep',
      '-E',
      '^(Seccomp|NoNewPrivs|CapBnd):',
      '/proc/self/status'
    )
    const { stdout } = await attached.outcome()
    assert.match(stdout, /NoNewPrivs:\t1/)
    assert.match(stdout, /Seccomp:\t2/)
    assert.match(stdout, /CapBnd:\t0+\n/)
    await running.stop(0 as never)
  })

  it('is not used where limits are asked for: they are in force before the start', async function () {
    if (stage.groups().controllers.pids === undefined) {
      process.stderr.write('skipped: no control groups can be made here\n')
      this.skip()
    }
    await someWait()
    const limits = { ...DEFAULT_SANDBOX.limits, pids: 50 }
    const own = await Stage.open({ sandbox: { ...contained, limits } })
    await own.host.start()
    const { running, pid } = await own.detached('sleep', '100')
    const named = new RegExp(`/${pid}$`, 'm')
    await until(async () => named.test(readFileSync(`/proc/${running.osPid}/cgroup`, 'utf8')))
    await own.stop()
  })

  it('ends with its host', async () => {
    const own = await Stage.open({ sandbox: contained })
    const others = waiting().length
    await own.host.start()
    await (await own.attach('true')).outcome()
    await until(async () => waiting().length > others)
    await own.stop()
    assert.equal(waiting().length, others)
  })
})
