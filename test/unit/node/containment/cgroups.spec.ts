import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_SANDBOX } from '../../../../core/index.ts'
import { systemClock } from '../../../../core/system.ts'
import { GroupMaker } from '../../../../node/containment/cgroups.ts'
import { silentLog } from '../../../doubles/silent-log.ts'

// A tree of plain files stands for the system's: what is written where is seen, what the system makes of it is not.

const none = DEFAULT_SANDBOX.limits
const OWN = 'user.slice/weaver.scope'

describe('containment/cgroups', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'weaver-cgroups-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  function put(path: string, text: string): void {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }

  const text = (path: string): string => readFileSync(join(root, path), 'utf8')

  /** Of version 2, as the system has it: what a folder hands down, and a way to end it. */
  function second(controllers: string): void {
    put(`${OWN}/cgroup.subtree_control`, controllers)
    put(`${OWN}/weaver-aa-b/cgroup.kill`, '')
    put(`${OWN}/weaver-aa-b/cgroup.subtree_control`, controllers)
  }

  function maker(version: 1 | 2): GroupMaker {
    const mounts =
      version === 2
        ? `proc /proc proc rw 0 0\ncgroup2 ${root} cgroup2 rw 0 0\n`
        : ['memory', 'cpu,cpuacct', 'pids', 'freezer']
            .map((names) => `cgroup ${root}/${names} cgroup rw,relatime,${names} 0 0\n`)
            .join('')
    const own =
      version === 2
        ? `0::/${OWN}\n`
        : `4:memory:/${OWN}\n3:cpu,cpuacct:/${OWN}\n2:pids:/${OWN}\n1:freezer:/\n`
    return new GroupMaker(
      { clock: systemClock, log: silentLog },
      { home: 'aa', boot: 'b', tables: { mounts, own } }
    )
  }

  it('version 2: one folder holds all limits, below the kernel’s own group (K1)', () => {
    second('cpu memory pids')
    put(`${OWN}/weaver-aa-b/7/memory.swap.max`, 'max')
    const groups = maker(2)
    const report = { controllers: { memory: 2, cpu: 2, pids: 2 }, canKill: true, why: null }
    assert.deepEqual(groups.report(), report)
    const limits = { memoryBytes: 64_000_000, cpus: 0.5, pids: 9 }
    const group = groups.make('7', limits, { demanded: limits, isKillable: true })
    const folder = `${OWN}/weaver-aa-b/7`
    assert.deepEqual(group?.joinFiles, [join(root, folder, 'cgroup.procs')])
    assert.equal(text(`${folder}/memory.max`), '64000000')
    assert.equal(text(`${folder}/memory.swap.max`), '0')
    assert.equal(text(`${folder}/memory.oom.group`), '1')
    assert.equal(text(`${folder}/cpu.max`), '50000 100000')
    assert.equal(text(`${folder}/pids.max`), '9')
  })

  it('version 2: asks for what is not handed down yet, and ends a group at once', () => {
    second('')
    const groups = maker(2)
    assert.equal(text(`${OWN}/cgroup.subtree_control`), '+pids', 'the last of three questions')
    put(`${OWN}/weaver-aa-b/8/cgroup.kill`, '')
    const group = groups.make('8', none, { demanded: none, isKillable: true })
    group?.kill()
    assert.equal(text(`${OWN}/weaver-aa-b/8/cgroup.kill`), '1')
  })

  it('version 1: a folder in each hierarchy that is needed, and the freezer for the end', () => {
    for (const names of ['memory', 'cpu,cpuacct', 'pids']) {
      mkdirSync(join(root, names, OWN), { recursive: true })
    }
    mkdirSync(join(root, 'freezer'))
    const groups = maker(1)
    const { controllers, canKill } = groups.report()
    assert.deepEqual(controllers, { memory: 1, cpu: 1, pids: 1 })
    assert.equal(canKill, true)
    put(`memory/${OWN}/weaver-aa-b/7/memory.memsw.limit_in_bytes`, '')
    const limits = { memoryBytes: 64_000_000, cpus: 2, pids: null }
    const group = groups.make('7', limits, { demanded: limits, isKillable: true })
    assert.equal(group?.joinFiles.length, 3)
    assert.equal(text(`memory/${OWN}/weaver-aa-b/7/memory.limit_in_bytes`), '64000000')
    assert.equal(text(`memory/${OWN}/weaver-aa-b/7/memory.memsw.limit_in_bytes`), '64000000')
    assert.equal(text(`cpu,cpuacct/${OWN}/weaver-aa-b/7/cpu.cfs_quota_us`), '200000')
    assert.equal(existsSync(join(root, `pids/${OWN}/weaver-aa-b/7`)), false)
    put('freezer/weaver-aa-b/7/freezer.state', '')
    group?.kill()
    assert.equal(text('freezer/weaver-aa-b/7/freezer.state'), 'THAWED')
  })

  it('refuses a limit that was demanded and cannot be held, and leaves out one that was wished for (K2)', () => {
    const groups = maker(2) // Its own folder is not there: nothing may be made.
    assert.deepEqual(groups.report().controllers, {})
    assert.match(groups.report().why ?? '', /memory, cpu, pids/)
    const limits = { ...none, pids: 9 }
    const make = (demanded: typeof none): unknown =>
      groups.make('7', limits, { demanded, isKillable: true })
    assert.throws(() => make(limits), { code: 'CONTAINMENT_LIMIT_MISSING' })
    assert.equal(make(none), null)
  })

  it('finds what an earlier boot of the same home left, and no other’s (K3)', () => {
    second('pids')
    for (const name of ['weaver-aa-old/7', 'weaver-aa-old/worker-1', 'weaver-bb-old/7']) {
      put(`${OWN}/${name}/cgroup.procs`, name.includes('bb') ? '1\n' : '999999999\n')
    }
    const left = maker(2).endEarlier()
    assert.deepEqual(new Set(left.map(({ pid }) => pid)), new Set([7, null]))
  })

  it('its own folders go at its end, as soon as nothing in them holds on any more', async () => {
    second('pids')
    const groups = maker(2)
    const own = `${OWN}/weaver-aa-b`
    put(`${own}/7/cgroup.procs`, '') // As in a real group, nothing is removed that still has somebody in it.
    const closing = groups.close()
    assert.equal(existsSync(join(root, own)), true)
    for (const file of ['7/cgroup.procs', 'cgroup.kill', 'cgroup.subtree_control']) {
      rmSync(join(root, own, file))
    }
    await closing
    assert.equal(existsSync(join(root, own)), false)
  })
})
