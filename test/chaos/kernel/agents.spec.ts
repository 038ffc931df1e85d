// Goal: agents keep what `--restart` promises over restarts of their kernel, by the policy of then, and hold their GPUs
// as tasks do. Real kernels, stopped in order and killed.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Agent, Approval, ChainEntry, ProcessRow } from '../../../node/api/index.ts'
import { isAlive, Lab, processesLike, until } from './lab.ts'

const FORBID =
  '@id("mine.no-late") forbid (principal, action == Weft::Action::"agent.spawn", resource)' +
  ' when { resource == Weft::Agent::"late" };'
const ASK =
  '@id("mine.ask") @ask("look at it") forbid (principal, action == Weft::Action::"agent.spawn", resource)' +
  ' when { resource == Weft::Agent::"asks" };'

describe('chaos: agents over restarts of their kernel', function () {
  this.timeout(180_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    await lab.start('laptop', '--gpu', 'nvidia:2:24GB')
  })
  after(() => lab.close())

  async function done(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await lab.weaver('laptop', ...args)
    assert.equal(code, 0, `weaver ${args.join(' ')}: ${stderr}${stdout}`)
    return stdout
  }

  async function spawned(name: string, ...words: readonly string[]): Promise<Agent> {
    const line = ['agent', 'spawn', '--json', '--runtime', 'custom', '--name', name, ...words]
    return JSON.parse(await done(...line))
  }

  async function agent(name: string): Promise<Agent | null> {
    const all: Agent[] = JSON.parse(await done('agent', 'list', '--json'))
    return all.find((each) => each.name === name) ?? null
  }

  async function untilState(name: string, state: string): Promise<Agent> {
    let found: Agent | null = null
    await until(async () => {
      found = await agent(name)
      return found?.state === state
    }, 60_000)
    assert.ok(found !== null)
    return found
  }

  async function kinds(process: string): Promise<readonly string[]> {
    const lines = (await done('chain', 'log', '-n', '200', '--json')).trim().split('\n')
    return lines
      .map((line): ChainEntry => JSON.parse(line))
      .filter(({ subject }) => subject === `process:${process}`)
      .map(({ kind }) => kind)
  }

  it('what is to run comes back, in order and after a kill; what ended or was stopped does not', async () => {
    const loop = ['sh', '-c', 'echo here >> notes; exec sleep 7301']
    const ever = await spawned('ever', '--', ...loop)
    await spawned('stopped', '--', 'sleep', '7302')
    await spawned('done', '--restart', 'transient', '--', 'true')
    await spawned('going', '--restart', 'transient', '--', 'sleep', '7303')
    await spawned('once', '--restart', 'temporary', '--', 'sleep', '7304')
    await done('agent', 'stop', 'stopped')
    await untilState('done', 'exited')

    await done('kernel', 'restart')
    const back = await untilState('ever', 'running')
    await untilState('going', 'running')
    assert.equal(back.gpid, ever.gpid)
    assert.equal(back.restarts, 1)
    assert.equal((await agent('stopped'))?.state, 'exited')
    assert.equal((await agent('done'))?.state, 'exited')
    assert.equal(await agent('once'), null)
    // Its own folder is as it left it.
    const notes = join(lab.homeOf('laptop'), 'work', String(ever.pid), 'notes')
    await until(async () => (await readFile(notes, 'utf8')) === 'here\nhere\n')

    const [left] = await processesLike('sleep 7301')
    assert.ok(left !== undefined)
    await lab.kill('laptop')
    await until(() => !isAlive(left.pid))
    await lab.start('laptop')
    await untilState('ever', 'running')
    assert.equal((await processesLike('sleep 7302')).length, 0)
    assert.equal((await processesLike('sleep 7304')).length, 0)
    const told = await kinds(ever.gpid)
    assert.equal(told.filter((kind) => kind === 'agent.resumed').length, 2)
    assert.equal(told.filter((kind) => kind === 'process.started').length, 3)
    for (const name of ['ever', 'going']) await done('agent', 'stop', name)
  })

  it('what policy forbids or asks for now is not started by a kernel; an approval is for one start', async () => {
    await spawned('late', '--', 'sleep', '7311')
    await spawned('asks', '--', 'sleep', '7312')
    await done('policy', 'add', FORBID)
    await done('policy', 'add', ASK)
    await done('kernel', 'restart')
    const late = await untilState('late', 'failed')
    assert.match(late.reason ?? '', /mine\.no-late|denied|not allowed/i)

    const approval = await pending()
    const waits = await agent('asks')
    assert.equal(waits?.state, 'starting')
    assert.match(waits?.reason ?? '', new RegExp(`waits for approval ${approval.id}`))
    assert.equal((await processesLike('sleep 7312')).length, 0)
    await done('approvals', 'approve', approval.id)
    await untilState('asks', 'running')
    assert.equal((await processesLike('sleep 7311')).length, 0)

    // The approval is used: the next kernel asks again, and a denial ends it.
    await done('kernel', 'restart')
    const next = await pending()
    assert.notEqual(next.id, approval.id)
    await done('approvals', 'deny', next.id)
    await untilState('asks', 'failed')
    assert.equal((await processesLike('sleep 7312')).length, 0)
  })

  it('an agent holds its GPUs: shown, given to no task, freed at its end, its own after a restart', async () => {
    const words = [
      '--gpu',
      'nvidia:1',
      '--',
      'sh',
      '-c',
      'echo $CUDA_VISIBLE_DEVICES; exec sleep 7321'
    ]
    const { gpid, gpus } = await spawned('trainer', ...words)
    assert.deepEqual(gpus, [0])
    await until(async () => (await done('kernel', 'logs', '--process', gpid)).includes('0\n'))
    const ran = await done('run', '--gpu', '1', '--', 'sh', '-c', 'echo $CUDA_VISIBLE_DEVICES')
    assert.equal(ran, '1\n')
    const both = await lab.weaver('laptop', 'run', '--gpu', '2', '--timeout', '1s', '--', 'true')
    assert.notEqual(both.code, 0)
    assert.match(both.stderr, /1 of its 2 GPUs are free|GPU/)
    assert.match(await done('kernel', 'ps'), / GPU /)
    const rows: ProcessRow[] = JSON.parse(await done('kernel', 'ps', '--json'))
    assert.deepEqual(rows.find((row) => row.gpid === gpid)?.gpus, [0])

    await done('kernel', 'restart')
    assert.deepEqual((await untilState('trainer', 'running')).gpus, [0])
    await done('agent', 'stop', 'trainer')
    assert.deepEqual((await agent('trainer'))?.gpus, [])
    await done('run', '--gpu', '2', '--timeout', '20s', '--', 'true')
  })

  it('a member’s agent comes back for as long as it is one, and no other node places on its GPU', async () => {
    const invite = await lab.invite('laptop')
    await lab.start('server', '--gpu', 'none', '--join', invite)
    const line = ['agent', 'spawn', '--runtime', 'custom', '--name', 'guest', '--on', 'laptop']
    const there = await lab.weaver('server', ...line, '--gpu', '2', '--', 'sleep', '7331')
    assert.equal(there.code, 0, there.stderr)
    const waits = ['run', '--gpu', '1', '--timeout', '2s', '--', 'true']
    assert.notEqual((await lab.weaver('server', ...waits)).code, 0)
    await done('kernel', 'restart')
    assert.deepEqual((await untilState('guest', 'running')).gpus, [0, 1])
    await done('mesh', 'evict', 'server')
    await until(async () => (await processesLike('sleep 7331')).length === 0)
    await done('kernel', 'restart')
    assert.equal((await agent('guest'))?.state, 'exited')
    assert.equal((await processesLike('sleep 7331')).length, 0)
  })

  async function pending(): Promise<Approval> {
    let found: Approval | undefined
    await until(async () => {
      const rows: Approval[] = JSON.parse(await done('approvals', 'list', '--json'))
      found = rows.find(({ state }) => state === 'pending')
      return found !== undefined
    })
    assert.ok(found !== undefined)
    return found
  }
})
