// Fault R13, as a user of a whole kernel sees it. Goal: children that crash again and again, ignore what they are told,
// double-fork or flood are held to their bounds, their whole tree is dead in five seconds, and the kernel is unharmed.
// Method: a real kernel and hostile agents of it. What a process host alone does with them, and with fork bombs and
// memory, is in test/chaos/processes and test/chaos/containment.

import assert from 'node:assert/strict'
import process from 'node:process'
import { RESTART_LIMITS } from '../../../agents/limits.ts'
import type { Agent } from '../../../node/api/index.ts'
import { Lab, processesLike, residentBytes, until } from './lab.ts'
import type { KernelHandle } from './lab.ts'

const DEAD_WITHIN_MS = 5000
const GROWTH_MAX = 50e6

describe('chaos: hostile children of a kernel (R13)', function () {
  this.timeout(120_000)
  let lab: Lab
  let kernel: KernelHandle

  before(async () => {
    lab = await Lab.open()
    kernel = await lab.start('laptop')
  })
  after(() => lab.close())

  async function spawnAgent(name: string, restart: string, script: string): Promise<void> {
    const words = ['agent', 'spawn', '--runtime', 'custom', '--name', name, '--restart', restart]
    await lab.done('laptop', ...words, '--', 'sh', '-c', script)
  }

  async function agent(name: string): Promise<Agent | undefined> {
    return (await kernel.client.agents()).find((each) => each.name === name)
  }

  it('one that crashes again and again is restarted as often as its intensity allows, and no more', async () => {
    await spawnAgent('loop', 'permanent', 'exit 3')
    await until(async () => (await agent('loop'))?.state === 'failed')
    const started = await lab.log('laptop', '--kind', 'process.started')
    const own = started.filter((entry) => JSON.stringify(entry).includes('"loop"'))
    assert.equal(own.length, RESTART_LIMITS.intensity + 1)
    await lab.done('laptop', 'run', '--', 'true')
  })

  it('one that ignores SIGTERM, and left a double fork behind, is dead with all of it in five seconds', async () => {
    const hidden = `34.${process.pid}`
    const own = `35.${process.pid}`
    const forked = `(setsid sh -c 'trap "" TERM; sleep ${hidden}; :' &) &`
    await spawnAgent(
      'deaf',
      'temporary',
      `trap "" TERM INT HUP; ${forked} while :; do sleep ${own}; done`
    )
    for (const seconds of [hidden, own]) {
      await until(async () => (await processesLike(`sleep ${seconds}`)).length > 0)
    }
    // Asked first, as everybody is, for the five seconds that are theirs; then it has five to be gone.
    const stopping = lab.done('laptop', 'agent', 'stop', 'deaf')
    await stopping
    const since = performance.now()
    for (const seconds of [hidden, own]) {
      await until(
        async () => (await processesLike(`sleep ${seconds}`)).length === 0,
        DEAD_WITHIN_MS
      )
    }
    process.stderr.write(
      `      gone ${Math.round(performance.now() - since)} ms after the answer\n`
    )
  })

  it('one that floods its output costs the kernel no memory, and its owner no answer', async () => {
    const pid = await lab.pidOf('laptop')
    const before = await residentBytes(pid)
    const line = `flood-${process.pid}`
    await spawnAgent('flood', 'temporary', `exec yes ${line}`)
    // Until far more was written than is kept of it.
    let most = before
    const end = performance.now() + 5000
    await until(async () => {
      most = Math.max(most, await residentBytes(pid))
      assert.equal((await kernel.client.status()).running, true)
      return performance.now() >= end && (await processesLike(`yes ${line}`)).length > 0
    })
    await lab.done('laptop', 'agent', 'stop', 'flood')
    await until(async () => (await processesLike(`yes ${line}`)).length === 0, DEAD_WITHIN_MS)
    assert(most - before < GROWTH_MAX, `the kernel grew by ${Math.round((most - before) / 1e6)} MB`)
    await lab.done('laptop', 'chain', 'verify')
  })
})
