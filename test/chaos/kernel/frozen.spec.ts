// Faults R6 and R12. Goal: a kernel that stands still for longer than its tasks are waited for gets none of their results
// in afterwards; one that stands still for two seconds at a time is called dead by nobody, and says of itself that it
// is too busy.
// Method: real kernels, SIGSTOP and SIGCONT; the children of a kernel that stands still go on.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import process from 'node:process'
import { isAlive, Lab, processesLike, resultOf, until, untilAlive } from './lab.ts'
import type { KernelHandle } from './lab.ts'

/** R12: how long the event loop is blocked, and how often. */
const BLOCK_MS = 2000
const BLOCKS = 5
/** R12: processes that never rest, and for how long they do not. */
const HOGS = 8
const STARVED_MS = 15_000

describe('chaos: kernels that stand still', function () {
  this.timeout(180_000)
  let lab: Lab
  let laptop: KernelHandle
  let server: KernelHandle

  beforeEach(async () => {
    lab = await Lab.open()
    ;[laptop, server] = await lab.pair()
    await untilAlive(laptop, 'server')
    await untilAlive(server, 'laptop')
  })
  afterEach(() => lab.close())

  it('results of an executor that was frozen too long are refused and recorded as fenced (R6)', async () => {
    const [short, long] = [`6.${process.pid}`, `3${process.pid}.6`]
    const runs = [short, long].map((seconds) => {
      const run = lab.spawn('laptop', ['run', '--on', 'server', '--', 'sleep', seconds])
      run.stdin?.end()
      return resultOf(run)
    })
    for (const seconds of [short, long]) {
      await until(async () => (await processesLike(`sleep ${seconds}`)).length > 0)
    }
    const pid = await lab.pidOf('server')
    process.kill(pid, 'SIGSTOP')
    for (const { code, stderr } of await Promise.all(runs)) {
      assert.equal(code, 125, stderr)
      assert.match(stderr, /server/)
    }
    const tasks = await laptop.client.tasks()
    assert.deepEqual(
      tasks.map(({ state }) => state),
      ['lost', 'lost']
    )
    // One of them has ended meanwhile, with a result; the other one runs, as nobody can tell it not to.
    await until(async () => (await processesLike(`sleep ${short}`)).length === 0)
    assert.equal((await processesLike(`sleep ${long}`)).length, 1)
    process.kill(pid, 'SIGCONT')
    await until(async () => (await lab.log('laptop', '--kind', 'task.fenced')).length === 2)
    await until(async () => (await processesLike(`sleep ${long}`)).length === 0)
    const after = await laptop.client.tasks()
    assert.deepEqual(
      after.map(({ state }) => state),
      ['lost', 'lost']
    )
    const committed = await lab.log('laptop', '--kind', 'task.committed')
    assert.equal(committed.length, 2, 'what was lost is committed as lost, and nothing after it')
    await lab.done('laptop', 'run', '--on', 'server', '--', 'true')
    for (const name of ['laptop', 'server']) await lab.done(name, 'chain', 'verify')
  })

  it(`one blocked for ${BLOCK_MS} ms again and again is called dead by nobody, and knows that it is slow (R12)`, async () => {
    const pid = await lab.pidOf('server')
    const states = new Set<string>()
    let worst = 0
    const look = async (): Promise<void> => {
      const peer = (await laptop.client.peers()).find(({ name }) => name === 'server')
      states.add(peer?.state ?? 'gone')
    }
    for (let block = 0; block < BLOCKS; block += 1) {
      process.kill(pid, 'SIGSTOP')
      const end = performance.now() + BLOCK_MS
      await until(async () => {
        await look()
        return performance.now() >= end
      })
      process.kill(pid, 'SIGCONT')
      const { healthScore } = await server.client.meshStatus()
      worst = Math.max(worst, healthScore)
      await look()
    }
    assert(isAlive(pid))
    assert(!states.has('dead') && !states.has('gone'), `seen as ${[...states].join(', ')}`)
    assert(worst > 0, 'it has not noticed')
    await untilAlive(laptop, 'server')
    await until(async () => (await server.client.meshStatus()).healthScore === 0)
  })

  it('one that is starved of the processor is called dead by nobody, and works (R12)', async () => {
    const pid = await lab.pidOf('server')
    const hogs = Array.from({ length: HOGS }, () => spawn('sh', ['-c', 'while :; do :; done']))
    try {
      setPriority(pid, 19) // Of eight that want a core at full right, it gets what is left.
      const end = performance.now() + STARVED_MS
      const states = new Set<string>()
      await until(async () => {
        for (const [viewer, name] of [
          [laptop, 'server'],
          [server, 'laptop']
        ] as const) {
          const peers = await viewer.client.peers()
          states.add(peers.find((peer) => peer.name === name)?.state ?? 'gone')
        }
        return performance.now() >= end
      })
      assert(!states.has('dead') && !states.has('gone'), `seen as ${[...states].join(', ')}`)
      await lab.done('laptop', 'run', '--on', 'server', '--', 'true')
    } finally {
      for (const hog of hogs) hog.kill('SIGKILL')
    }
  })
})
