import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openChain } from '../../../chain/index.ts'
import { signerFromSeed } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { openLaneDisk } from '../../../node/disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'

describe('node: lane disk', () => {
  let folder = ''

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-disk-'))
  })

  afterEach(async () => {
    await rm(folder, { recursive: true })
  })

  it('the folder and its files are for their owner only', async () => {
    const disk = await openLaneDisk(join(folder, 'home', 'chain'), { clock: systemClock })
    await (await disk.create('a.lane')).close()
    assert.equal((await stat(join(folder, 'home', 'chain'))).mode & 0o777, 0o700)
    assert.equal((await stat(join(folder, 'home', 'chain', 'a.lane'))).mode & 0o777, 0o600)
  })

  it('a folder that cannot be made is a typed error', async () => {
    await writeFile(join(folder, 'file'), '')
    await assert.rejects(openLaneDisk(join(folder, 'file', 'chain'), { clock: systemClock }), {
      code: 'CHAIN_DISK_FAILED'
    })
  })

  it('a full device is CHAIN_DISK_FULL', async () => {
    // A device that is always full: opened through the disk as if it were one of its files.
    const disk = await openLaneDisk('/dev', { clock: systemClock })
    const full = await disk.open('full')
    assert(full !== null)
    const write = full.write(0, new Uint8Array(10))
    await assert.rejects(write, { code: 'CHAIN_DISK_FULL', retry: 'later' })
    await full.close()
  })

  it('a chain lives on it, is closed and opened again, and verifies', async () => {
    const disk = await openLaneDisk(join(folder, 'chain'), { clock: systemClock })
    const signer = signerFromSeed(new Uint8Array(32).fill(3))
    const deps = { disk, signer, clock: new VirtualClock(), log: silentLog }
    for (let boot = 1; boot <= 3; boot += 1) {
      const chain = await openChain(deps, { segmentBytes: 2000 })
      const drafts = Array.from({ length: 20 }, (_, index) => ({
        kind: 'task.submitted',
        actor: 'user:local',
        subject: `task:${index}`,
        payload: { index }
      }))
      await Promise.all(drafts.map((draft) => chain.append([draft])))
      for (const draft of drafts.slice(0, 5)) await chain.append([draft])
      const { ok, entries } = await chain.verify()
      assert.deepEqual([ok, entries], [true, boot * 25])
      await chain.stop()
    }
    assert((await disk.list()).length > 3)
  })
})
