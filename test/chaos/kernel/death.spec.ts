// Goal: what was promised about a task holds when a kernel is killed in the middle of it.
// Method: two real kernels, SIGKILL, and a look from outside: the command's output, /proc, the lanes.

import assert from 'node:assert/strict'
import { isAlive, Lab, LOOPBACK, processesLike, resultOf, until } from './lab.ts'

describe('chaos: kernels that are killed', function () {
  this.timeout(120_000)
  let lab: Lab

  beforeEach(async () => {
    lab = await Lab.open()
    await lab.pair()
  })
  afterEach(() => lab.close())

  async function verified(name: string): Promise<void> {
    const { code, stdout } = await lab.weaver(name, 'chain', 'verify', '--json')
    assert.equal(code, 0, stdout)
  }

  /** Starts a task on the server, and waits until its command runs. */
  async function longTask(): Promise<{
    readonly seconds: string
    readonly run: ReturnType<Lab['spawn']>
  }> {
    const seconds = uniqueSeconds()
    const run = lab.spawn('laptop', ['run', '--gpu', '1', '--', 'sleep', seconds])
    run.stdin?.end()
    await until(async () => (await processesLike(`sleep ${seconds}`)).length > 0)
    return { seconds, run }
  }

  async function gone(seconds: string): Promise<void> {
    await until(async () => (await processesLike(`sleep ${seconds}`)).length === 0)
  }

  it('the origin says that the executor is gone, and the task ends lost; nothing is orphaned', async () => {
    const { seconds, run } = await longTask()
    const result = resultOf(run)
    await lab.kill('server')
    const { code, stderr } = await result
    assert.equal(code, 125)
    assert.match(stderr, /server/)
    await gone(seconds)
    const { stdout } = await lab.weaver('laptop', 'task', 'list', '--json')
    assert.match(stdout, /"state": ?"lost"/)
    await lab.start('server')
    await verified('server')
    await verified('laptop')
  })

  it('a kernel in the foreground ends with the command that was killed', async () => {
    const args = ['--foreground', '--name', 'desk', '--listen', LOOPBACK]
    const command = lab.spawn('desk', ['kernel', 'start', ...args])
    const pid = async (): Promise<number> => lab.pidOf('desk').catch(() => 0)
    await until(async () => (await pid()) > 0)
    await until(async () => (await lab.weaver('desk', 'kernel', 'status')).code === 0)
    const kernel = await pid()
    command.kill('SIGKILL')
    await until(() => !isAlive(kernel))
    await lab.start('desk')
    await verified('desk')
  })

  it('a result that the origin did not live to see is handed over when it is back', async () => {
    const mark = uniqueSeconds()
    const script = `trap 'exit 7' USR1; : ${mark}; while :; do sleep 0.05; done`
    const run = ['run', '--gpu', '1', '--detach', '--json', '--', 'sh', '-c', script]
    const { stdout } = await lab.weaver('laptop', ...run)
    const { taskId }: { taskId: string } = JSON.parse(stdout)
    const shown = async (): Promise<string> =>
      (await lab.weaver('laptop', 'task', 'show', taskId, '--json')).stdout
    await until(async () => /"state": ?"running"/.test(await shown()))
    await lab.kill('laptop')
    const [shell] = await processesLike(`sh -c ${script}`)
    assert.ok(shell)
    process.kill(shell.pid, 'SIGUSR1')
    await until(async () => {
      const { stdout: rows } = await lab.weaver('server', 'kernel', 'ps', '--json')
      return /"state": ?"exited"/.test(rows)
    })
    await lab.start('laptop')
    await until(async () => /"state": ?"failed"/.test(await shown()))
    assert.match(await shown(), /"code": ?7/)
    await verified('laptop')
    await verified('server')
  })

  it('children of a kernel die with it, also those that left its process group or its environment', async () => {
    // One left its process group, one has no mark in its environment: neither gives the other's sign.
    const [left, bare, own] = [uniqueSeconds(), uniqueSeconds(), uniqueSeconds()]
    const script = `setsid sleep ${left} & env -i sleep ${bare} & sleep ${own}`
    await lab.weaver('laptop', 'run', '--detach', '--on', 'server', '--', 'sh', '-c', script)
    for (const seconds of [left, bare, own]) {
      await until(async () => (await processesLike(`sleep ${seconds}`)).length > 0)
    }
    await lab.kill('server')
    for (const seconds of [left, bare, own]) await gone(seconds)
  })

  it('what an evicted member has running here ends with its membership (attack 9)', async () => {
    const [task, agent] = [uniqueSeconds(), uniqueSeconds()]
    const run = lab.spawn('server', ['run', '--on', 'laptop', '--', 'sleep', task])
    run.stdin?.end()
    const spawn = ['agent', 'spawn', '--runtime', 'custom', '--name', 'guest', '--on', 'laptop']
    const spawned = await lab.weaver('server', ...spawn, '--', 'sleep', agent)
    assert.equal(spawned.code, 0, spawned.stderr)
    for (const seconds of [task, agent]) {
      await until(async () => (await processesLike(`sleep ${seconds}`)).length > 0)
    }
    assert.equal((await lab.weaver('laptop', 'mesh', 'evict', 'server')).code, 0)
    for (const seconds of [task, agent]) await gone(seconds)
    await verified('laptop')
    run.kill('SIGKILL')
  })
})

let lastSeconds = 0

/** A time to sleep that no other process of this machine sleeps. */
function uniqueSeconds(): string {
  lastSeconds += 1
  return `3${process.pid}.${lastSeconds}`
}
