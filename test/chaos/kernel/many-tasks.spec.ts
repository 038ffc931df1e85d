// Fault R2. Goal: of many running tasks whose executor is killed, and then their origin, each has at most one
// committed result (I3) and one effect for each start of it (task, epoch); what was acknowledged ends, and nothing of it
// is left running (I7).
// Method: two real kernels; each task writes a line of its own into a file outside, and waits for a word. What counts
// is that file, the table of this machine's processes, and the lanes.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { DEFAULT_SANDBOX } from '../../../core/index.ts'
import type { Task } from '../../../node/api/index.ts'
import { Lab, processesLike, until } from './lab.ts'
import type { KernelHandle } from './lab.ts'

/** Half of them run when the executor is killed, half when the origin is. 240 in the long profile: an executor runs 256 at once. */
const TASKS = Number(process.env['WEAVER_TASKS'] ?? 40)
const HALF = Math.floor(TASKS / 2)
const MARK = `many-tasks-${process.pid}`
const FINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'lost'])

describe('chaos: the executor, then the origin, killed under many running tasks (R2)', function () {
  this.timeout(120_000 + TASKS * 1000)
  let lab: Lab
  let laptop: KernelHandle
  let shared: string

  before(async () => {
    lab = await Lab.open()
    const [first] = await lab.pair()
    laptop = first
    shared = join(lab.folder, 'shared')
    await mkdir(shared)
    const permit = (who: string): string =>
      `@id("mine.effects") permit (principal is ${who}, action == Weft::Action::"fs.write", resource);`
    await lab.done('server', 'policy', 'add', permit('Weft::Node'))
  })
  after(() => lab.close())

  async function submit(count: number): Promise<readonly string[]> {
    const effect = `echo "$WEAVER_TASK_ID $WEAVER_EPOCH" >> ${shared}/effects`
    const script = `: ${MARK}; ${effect}; while [ ! -e ${shared}/go ]; do sleep 2; done`
    const ids: string[] = []
    for (let index = 0; index < count; index += 1) {
      const { taskId } = await laptop.client.submitTask({
        command: ['sh', '-c', script],
        env: {},
        cwd: null,
        gpu: null,
        labels: {},
        sandbox: {
          containment: 'os',
          limits: DEFAULT_SANDBOX.limits,
          grants: [`fs.write:${shared}`]
        },
        node: 'server',
        timeoutMs: null
      })
      ids.push(taskId)
    }
    return ids
  }

  function effects(): readonly string[] {
    const path = join(shared, 'effects')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  }

  async function untilFinal(ids: readonly string[]): Promise<readonly Task[]> {
    const tasks = new Map<string, Task>()
    await until(
      async () => {
        for (const id of ids) {
          if (FINAL.has(tasks.get(id)?.state ?? '')) continue
          tasks.set(id, await laptop.client.task(id))
        }
        return [...tasks.values()].every(({ state }) => FINAL.has(state))
      },
      60_000 + TASKS * 500
    )
    return [...tasks.values()]
  }

  const running = (): Promise<readonly unknown[]> => processesLike(`sh -c : ${MARK}`)

  it(`commits one result of each of ${TASKS}, with one effect for each start, and orphans nothing (I3, I7)`, async () => {
    const first = await submit(HALF)
    await until(() => effects().length >= HALF)
    await lab.kill('server')
    await until(async () => (await running()).length === 0)
    await lab.start('server')
    const lost = await untilFinal(first)
    assert.deepEqual(
      lost.filter(({ state }) => state !== 'lost'),
      [],
      'each ran when its kernel was killed'
    )

    const second = await submit(HALF)
    await until(() => effects().length >= 2 * HALF)
    await lab.kill('laptop')
    await writeFile(join(shared, 'go'), '')
    await until(async () => (await running()).length === 0)
    laptop = await lab.start('laptop')
    const handedOver = await untilFinal(second)
    assert.deepEqual(
      handedOver.filter(({ state }) => state !== 'succeeded'),
      [],
      'each ended while its origin was away'
    )

    const all = effects()
    assert.equal(new Set(all).size, all.length, 'one effect for a task and an epoch')
    const acknowledged = new Set([...first, ...second])
    assert.deepEqual(new Set(all.map((line) => line.split(' ')[0])), acknowledged)
    const committed = await lab.log('laptop', '--kind', 'task.committed')
    const subjects = committed.map(({ subject }) => subject)
    assert.equal(new Set(subjects).size, subjects.length, 'one committed result of a task')
    assert.deepEqual(new Set(subjects), new Set([...acknowledged].map((id) => `task:${id}`)))
    assert.equal((await running()).length, 0)
    for (const name of ['laptop', 'server']) await lab.done(name, 'chain', 'verify')
  })
})
