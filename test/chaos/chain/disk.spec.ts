// Fault R4. Goal: a full disk, a failing one and a rotten one are noticed, named and survived; nothing is
// acknowledged that is not kept, and what is damaged comes back from another member.
// Method: real kernels; a small tmpfs, strace that fails system calls, bytes changed in their files.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive, Lab, until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { heightOf, untilHeld } from './lanes.ts'

const INVITE = { ttlMs: 60_000, uses: 1, role: 'member' } as const

function canRun(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, [...args], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'done'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

describe('chaos: disks that fail under a kernel (R4)', function () {
  this.timeout(120_000)
  let lab: Lab

  beforeEach(async () => {
    lab = await Lab.open()
  })
  afterEach(() => lab.close())

  async function decisions(name: string): Promise<number> {
    const decided = await lab.log(name, '--kind', 'policy.decision')
    return decided.filter((entry) => JSON.stringify(entry).includes('mesh.invite')).length
  }

  it('a full disk refuses every act, keeps what was acknowledged, and goes on within 5 s', async function () {
    const home = lab.homeOf('laptop')
    await mkdir(home, { mode: 0o700 })
    if (!canRun('mount', '-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'tmpfs', home)) {
      process.stderr.write('skipped: this user may not mount\n')
      this.skip()
    }
    try {
      const { client } = await lab.start('laptop')
      await client.invite(INVITE)
      const filler = join(home, 'logs', 'filler')
      const handle = await open(filler, 'w')
      try {
        for (;;) await handle.write(Buffer.alloc(4096))
      } catch {
        // Full.
      } finally {
        await handle.close()
      }
      let refused = 0
      let acknowledged = 1
      for (let attempt = 0; attempt < 40; attempt += 1) {
        const code = await codeOf(client.invite(INVITE))
        if (code === 'done') acknowledged += 1
        else refused += 1
      }
      assert(refused > 0, 'the disk was never full')
      assert(isAlive(await lab.pidOf('laptop')), 'the kernel is gone')
      await rm(filler)
      await until(async () => (await codeOf(client.invite(INVITE))) === 'done', 5000)
      assert((await decisions('laptop')) >= acknowledged + 1)
      assert.deepEqual((await client.verifyChain(null)).problems, [])
      await lab.done('laptop', 'kernel', 'stop')
    } finally {
      execFileSync('umount', ['-l', home])
    }
  })

  it('an fdatasync that fails with EIO is the last thing that kernel does', async function () {
    if (!canRun('strace', '-V')) {
      process.stderr.write('skipped: strace is not installed\n')
      this.skip()
    }
    const { client } = await lab.start('laptop')
    await client.invite(INVITE)
    const pid = await lab.pidOf('laptop')
    const inject = ['-f', '-qq', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO']
    const strace = spawn('strace', [...inject, '-o', '/dev/null', '-p', String(pid)], {
      stdio: 'ignore'
    })
    try {
      // Until it is attached acts go well; then none does, ever again.
      let acknowledged = 1
      await until(async () => {
        const code = await codeOf(client.invite(INVITE))
        if (code === 'done') acknowledged += 1
        return code !== 'done'
      })
      assert.notEqual(await codeOf(client.invite(INVITE)), 'done')
      strace.kill('SIGKILL')
      if (strace.exitCode === null && strace.signalCode === null) await once(strace, 'close')
      await until(() => !isAlive(pid), 20_000) // It has said why, and gone.
      const again = await lab.start('laptop')
      assert((await decisions('laptop')) >= acknowledged)
      assert.deepEqual((await again.client.verifyChain(null)).problems, [])
    } finally {
      strace.kill('SIGKILL')
    }
  })

  it('every data file of a lane that rots or is cut is found, named, and repaired from a peer', async () => {
    const [laptop, server] = await lab.pair()
    for (let act = 0; act < 5; act += 1) await laptop.client.invite(INVITE)
    await untilHeld(server, laptop)
    const { nodeId } = await laptop.client.status()
    for (const file of await laneFiles(server, nodeId)) {
      const { size } = await stat(file)
      for (const offset of [20, Math.floor(size / 2), size - 9]) {
        await flip(file, offset)
        const found = await server.client.verifyChain('laptop')
        assert.equal(found.ok, false, `byte ${offset} of ${file}`)
        assert(found.problems.every(({ lane, height }) => lane === 'laptop' && height !== null))
        await lab.done('server', 'chain', 'repair', '--json')
        assert.deepEqual((await server.client.verifyChain(null)).problems, [])
      }
      await truncate(file, Math.floor(size / 2))
      assert.equal((await server.client.verifyChain('laptop')).ok, false)
      await lab.done('server', 'chain', 'repair', '--json')
      assert.deepEqual((await server.client.verifyChain(null)).problems, [])
    }
  })

  it('an own lane that lost its tail, or all, keeps the kernel from starting until it is repaired', async () => {
    const [laptop, server] = await lab.pair()
    for (let act = 0; act < 5; act += 1) await server.client.invite(INVITE).catch(() => undefined)
    const { nodeId } = await server.client.status()
    const height = await heightOf(server, 'server')
    await untilHeld(laptop, server)
    await lab.kill('server') // What it would say at a stop, nobody else would know.
    const [file = ''] = await laneFiles(server, nodeId)
    for (const damage of [() => truncate(file, 700), () => removeChain(server)]) {
      await damage()
      const refused = await lab.weaver('server', 'kernel', 'start')
      assert.equal(refused.code, 1, refused.stdout)
      assert.match(refused.stderr, /weaver chain repair/)
      const repaired = await lab.weaver('server', 'chain', 'repair')
      assert.equal(repaired.code, 0, repaired.stderr)
      assert.deepEqual((await server.client.verifyChain(null)).problems, [])
      assert((await heightOf(server, 'server')) > height)
      await untilHeld(laptop, server)
      await lab.kill('server')
    }
  })
})

async function laneFiles({ home }: KernelHandle, lane: string): Promise<readonly string[]> {
  const names = await readdir(join(home, 'chain'))
  const files = names.filter((name) => name.startsWith(lane) && name.endsWith('.lane'))
  return files.map((name) => join(home, 'chain', name))
}

async function flip(file: string, offset: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, offset)
    await handle.write(Buffer.of((buffer[0] ?? 0) ^ 0x10), 0, 1, offset)
  } finally {
    await handle.close()
  }
}

async function removeChain({ home }: KernelHandle): Promise<void> {
  await rm(join(home, 'chain'), { recursive: true })
  await writeFile(join(home, 'logs', 'note'), 'the chain folder was removed by a test\n')
}
