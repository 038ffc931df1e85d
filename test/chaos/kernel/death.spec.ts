// Goal: what was promised about a task holds when a kernel is killed in the middle of it.
// Method: two real kernels, SIGKILL, and a look from outside: the command's output, /proc, the lanes.

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive, Lab, LOOPBACK, resultOf, until } from './lab.ts'

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

  /** Starts a task on the server that writes the pid of its command, and waits for that. */
  async function longTask(): Promise<{
    readonly childPid: number
    readonly run: ReturnType<Lab['spawn']>
  }> {
    const file = join(lab.folder, 'child.pid')
    const script = `echo $$ > ${file}.new && mv ${file}.new ${file}; sleep 300`
    const run = lab.spawn('laptop', ['run', '--gpu', '1', '--', 'sh', '-c', script])
    run.stdin?.end()
    const pid = async (): Promise<number> => Number(await readFile(file, 'utf8').catch(() => '0'))
    await until(async () => (await pid()) > 0)
    return { childPid: await pid(), run }
  }

  it('the origin says that the executor is gone, and the task ends lost; nothing is orphaned', async () => {
    const { childPid, run } = await longTask()
    const result = resultOf(run)
    await lab.kill('server')
    const { code, stderr } = await result
    assert.equal(code, 125)
    assert.match(stderr, /server/)
    await until(() => !isAlive(childPid))
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
    const file = join(lab.folder, 'go')
    const script = `until [ -e ${file} ]; do sleep 0.05; done; exit 7`
    const run = ['run', '--gpu', '1', '--detach', '--json', '--', 'sh', '-c', script]
    const { stdout } = await lab.weaver('laptop', ...run)
    const { taskId }: { taskId: string } = JSON.parse(stdout)
    const shown = async (): Promise<string> =>
      (await lab.weaver('laptop', 'task', 'show', taskId, '--json')).stdout
    await until(async () => /"state": ?"running"/.test(await shown()))
    await lab.kill('laptop')
    await writeFile(file, '')
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
    const file = join(lab.folder, 'pids')
    // One left its process group, one has no mark in its environment: neither gives the other's sign.
    const left = `setsid sh -c 'echo $$ >> ${file}; sleep 300' &`
    const bare = `env -i sleep 300 & echo $! >> ${file};`
    const script = `${left} ${bare} echo $$ >> ${file}; sleep 300`
    await lab.weaver('laptop', 'run', '--detach', '--on', 'server', '--', 'sh', '-c', script)
    const pids = async (): Promise<number[]> =>
      (await readFile(file, 'utf8').catch(() => '')).trim().split('\n').filter(Boolean).map(Number)
    await until(async () => (await pids()).length === 3)
    await lab.kill('server')
    for (const pid of await pids()) await until(() => !isAlive(pid))
  })
})
