// Goal: nothing that a kernel started outlives it.
// Method: a real kernel process with a shell, a background child, one in a session of its own and a
// double-forked one is killed in every way that leaves it no last word.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Interface } from 'node:readline'
import { gone, lives, pause, Stage } from './stage.ts'

interface Kernel {
  readonly child: ChildProcess
  readonly lines: Interface
  readonly tree: readonly number[]
  readonly reaped: readonly { readonly osPid: number; readonly pid: number | null }[]
  readonly guardian: number
}

describe('the death of a kernel', function () {
  this.timeout(30_000)
  let directory: string
  let homeId: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-death-'))
    homeId = `dead${process.pid.toString(16)}`
  })

  afterEach(async () => {
    rmSync(directory, { recursive: true, force: true })
    // By its guardian, or by the kernel after it: nothing of a kernel stays.
    while (groupsOf(homeId).length > 0) await pause()
  })

  async function start(boot: number): Promise<Kernel> {
    const script = join(import.meta.dirname, 'fake-kernel.ts')
    const child = spawn(process.execPath, [script, directory, homeId, String(boot)], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const lines = createInterface(child.stdout)
    const [line] = await once(lines, 'line')
    const { tree, reaped, guardian } = JSON.parse(line)
    for (const osPid of tree) assert.ok(await lives(osPid))
    return { child, lines, tree, reaped, guardian }
  }

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const) {
    it(`by ${signal} ends its whole tree within two seconds, by the guardian (H1, G1)`, async () => {
      const { child, tree, guardian } = await start(1)
      const before = performance.now()
      child.kill(signal)
      await Promise.all(tree.map((osPid) => gone(osPid)))
      assert.ok(performance.now() - before < 2000)
      await gone(guardian)
      assert.deepEqual(groupsOf(homeId), [])
    })
  }

  /** Looks again where a group of others went while it was looked at. */
  function namesBelow(path: string): readonly string[] {
    for (;;) {
      try {
        return readdirSync(path, { recursive: true, encoding: 'utf8' })
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      }
    }
  }

  /** The folders of control groups that kernels of a home have left. */
  function groupsOf(home: string): readonly string[] {
    const found: string[] = []
    const roots = readFileSync('/proc/self/mounts', 'utf8').split('\n')
    for (const line of roots) {
      const [, path = '', type = ''] = line.split(' ')
      if (!type.startsWith('cgroup')) continue
      found.push(...namesBelow(path).filter((name) => name.includes(`weaver-${home}-`)))
    }
    return found
  }

  it('leaves what its guardian could not end to the next kernel, which says so', async () => {
    const first = await start(1)
    // Both at once, as an out-of-memory killer might.
    process.kill(first.guardian, 'SIGSTOP')
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    process.kill(first.guardian, 'SIGKILL')
    for (const osPid of first.tree) assert.ok(await lives(osPid))

    const second = await start(2)
    for (const osPid of first.tree) assert.equal(await lives(osPid), false)
    while (groupsOf(homeId).some((name) => name.includes('-b1'))) await pause()
    const reaped = new Map(second.reaped.map(({ osPid, pid }) => [osPid, pid]))
    for (const osPid of first.tree) assert.equal(reaped.get(osPid), 1)
    second.child.kill('SIGKILL')
    await Promise.all(second.tree.map((osPid) => gone(osPid)))
  })

  it('does not touch the processes of another home', async () => {
    const bystander = await Stage.open()
    await bystander.host.start()
    const { running } = await bystander.detached('sleep', '1000')
    const { child, tree } = await start(1)
    child.kill('SIGKILL')
    await Promise.all(tree.map((osPid) => gone(osPid)))
    const next = await start(2)
    next.child.kill('SIGKILL')
    await Promise.all([...next.tree, next.guardian].map((osPid) => gone(osPid)))
    assert.ok(await lives(running.osPid))
    await bystander.stop()
  })

  it('a guardian that dies is replaced by one that knows all groups', async () => {
    const { child, lines, tree, guardian } = await start(1)
    const said = once(lines, 'line')
    process.kill(guardian, 'SIGTERM') // Ignored.
    process.kill(guardian, 'SIGKILL')
    await gone(guardian)
    assert.match(String(await said), /guardian has died and was replaced/)
    child.kill('SIGKILL')
    await Promise.all(tree.map((osPid) => gone(osPid)))
  })
})
