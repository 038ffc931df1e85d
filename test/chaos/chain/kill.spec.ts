// Fault R1. Goal: nothing acknowledged is lost by `kill -9` at full rate, and the next start needs nobody.
// Method: a process that only appends is killed again and again, then a real kernel under load; the lanes
// are read back.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { openChain } from '../../../chain/index.ts'
import { signerFromSeed } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { openLaneDisk } from '../../../node/disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { Lab } from '../kernel/lab.ts'

const ROUNDS = Number(process.env['WEAVER_KILL_ROUNDS'] ?? 10) // 150 in the long profile.
const KERNEL_ROUNDS = Number(process.env['WEAVER_KILL_ROUNDS'] ?? 2)
const writer = fileURLToPath(new URL('./fake-writer.ts', import.meta.url))

/** Runs the writer until it has acknowledged some hundred blocks; how far it got, and how fast it was ready. */
async function writeAndKill(folder: string, blocks: number): Promise<readonly [number, number]> {
  const child = spawn(process.execPath, [writer, folder, '64'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let acknowledged = 0
  let seen = 0
  let readyMs = 0
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('ready ')) readyMs = Number(line.slice(6))
      else acknowledged = Math.max(acknowledged, Number(line))
    }
    seen += lines.length
    if (seen > blocks) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return [acknowledged, readyMs]
}

describe('chaos: a chain that is killed at full rate (R1)', function () {
  this.timeout(30_000 + ROUNDS * 10_000)

  it(`loses nothing acknowledged in ${ROUNDS} kills, and opens by itself each time (I1, I2)`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weaver-kill-'))
    try {
      let before = 0
      const ready: number[] = []
      for (let round = 0; round < ROUNDS; round += 1) {
        const [acknowledged, readyMs] = await writeAndKill(folder, 50 + ((round * 37) % 740))
        assert(acknowledged > before, `round ${round}: nothing was written`)
        before = acknowledged
        assert(readyMs < 5000, `round ${round}: opened in ${readyMs} ms`)
        ready.push(readyMs)
      }
      ready.sort((a, b) => a - b)
      const p99 = ready[Math.ceil(ready.length * 0.99) - 1] ?? Infinity
      process.stderr.write(
        `      ready again: p50 ${ready[ready.length >> 1]} ms, p99 ${p99} ms, ${before} blocks\n`
      )
      assert(p99 < 1000, `ready again in ${p99} ms at p99`)
      const signer = signerFromSeed(new Uint8Array(32).fill(5))
      const disk = await openLaneDisk(folder, { clock: systemClock })
      const chain = await openChain({ disk, clock: systemClock, signer, log: silentLog }, {})
      const report = await chain.verify()
      assert.deepEqual(report.problems, [])
      assert(report.blocks >= before, `${report.blocks} of ${before} acknowledged blocks`)
      await chain.stop()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it(`a kernel killed ${KERNEL_ROUNDS} times under load has every act on record that it answered`, async () => {
    const lab = await Lab.open()
    try {
      let answered = 0
      const ready: number[] = []
      for (let round = 0; round < KERNEL_ROUNDS; round += 1) {
        const began = performance.now()
        const { client } = await lab.start('laptop')
        ready.push(Math.round(performance.now() - began))
        const enough = Promise.withResolvers<void>()
        let here = 0
        const ask = async (): Promise<void> => {
          for (;;) {
            await client.setSecret('canary', new Uint8Array(8))
            answered += 1
            here += 1
            if (here === 25) enough.resolve()
          }
        }
        const asking = Array.from({ length: 8 }, ask)
        await Promise.race([enough.promise, ...asking])
        await lab.kill('laptop')
        await Promise.allSettled(asking)
      }
      ready.sort((a, b) => a - b)
      const p99 = ready[Math.ceil(ready.length * 0.99) - 1] ?? Infinity
      process.stderr.write(
        `      from the command to a kernel that answers: p50 ${ready[ready.length >> 1]} ms, p99 ${p99} ms, ` +
          `${answered} acts answered\n`
      )
      const { client } = await lab.start('laptop')
      const report = await client.verifyChain(null)
      assert.deepEqual(report.problems, [])
      const all = await lab.log('laptop', '--kind', 'policy.decision')
      const decisions = all.filter((entry) => JSON.stringify(entry).includes('secret.write'))
      assert(answered >= 50 && decisions.length >= answered, `${decisions.length} of ${answered}`)
    } finally {
      await lab.close()
    }
  })
})
