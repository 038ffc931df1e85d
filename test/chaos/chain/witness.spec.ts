// Fault R9 and attack 20 with real kernels: a member whose chain folder is put back to an older state.
// Goal: its peers find out and say so, give it no work and are unharmed, and the files they then write
// convince a verifier that knows none of them.

import assert from 'node:assert/strict'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { nodePrimitives, verifyFile } from '../../../chain/offline/index.ts'
import type { OfflineReport } from '../../../chain/offline/index.ts'
import { Lab, until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { laneOf } from './lanes.ts'

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function verified(path: string): Promise<OfflineReport> {
  return verifyFile(nodePrimitives, one(await readFile(path)))
}

describe('chaos: witnesses', function () {
  this.timeout(120_000)
  let lab: Lab
  let laptop: KernelHandle

  beforeEach(async () => {
    lab = await Lab.open()
    ;[laptop] = await lab.pair()
  })
  afterEach(() => lab.close())

  it('proofs and exports of a running mesh are sound to a verifier that has only the file', async () => {
    await lab.done('laptop', 'run', '--gpu', '1', '--', 'true')
    await until(async () => (await laneOf(laptop, 'server'))?.checkpoint?.witnesses[0] === 'laptop')
    await until(async () => (await laneOf(laptop, 'laptop'))?.checkpoint?.witnesses[0] === 'server')
    const [committed] = await lab.log('laptop', '--kind', 'task.committed')
    const entry = committed?.entry ?? ''
    const proof = join(lab.folder, 'proof.json')
    await lab.done('laptop', 'chain', 'prove', entry, '-o', proof)
    const report = await verified(proof)
    assert.deepEqual([report.problems, report.entry?.id], [[], entry])
    assert.deepEqual(
      report.checkpoints[0]?.witnesses.map(({ name }) => name),
      ['server']
    )
    const all = join(lab.folder, 'all.weft')
    await lab.done('laptop', 'chain', 'export', '-o', all)
    const exported = await verified(all)
    assert.deepEqual([exported.problems, exported.lanes], [[], 2])
    const command = await lab.weaver(
      'nobody',
      'verify',
      all,
      '--mesh',
      exported.mesh ?? '',
      '--json'
    )
    assert.equal(command.code, 0, command.stderr)
    assert.equal((await lab.weaver('nobody', 'verify', all, '--mesh', '0'.repeat(64))).code, 1)
  })

  it('a member that comes back with less of its lane is seen to, until it is whole again (R9)', async () => {
    const folder = join(lab.homeOf('server'), 'chain')
    const backup = join(lab.folder, 'backup')
    await lab.done('server', 'kernel', 'stop')
    await cp(folder, backup, { recursive: true })
    await lab.start('server', '--gpu', '1:24GB')
    await lab.done('laptop', 'run', '--gpu', '1', '--', 'true')
    await until(async () => (await laneOf(laptop, 'server'))?.state === 'ok')
    await lab.done('server', 'kernel', 'stop')
    await rm(folder, { recursive: true })
    await cp(backup, folder, { recursive: true })
    // Its own lane stops it as soon as a peer shows what it has lost: the start may fail or not.
    await lab.weaver('server', 'kernel', 'start')
    await until(async () => (await laneOf(laptop, 'server'))?.state !== 'ok')
    const states = new Set(['truncated', 'forked'])
    assert(states.has((await laneOf(laptop, 'server'))?.state ?? ''))
    assert.equal((await laneOf(laptop, 'laptop'))?.state, 'ok')
    await lab.done('laptop', 'run', '--', 'true')
    await lab.done('laptop', 'chain', 'verify', '--lane', 'laptop')
    await lab.done('server', 'chain', 'repair')
    await until(async () => (await laneOf(laptop, 'server'))?.state === 'ok')
  })
})
