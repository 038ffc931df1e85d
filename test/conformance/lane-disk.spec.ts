import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../core/system.ts'
import { openLaneDisk } from '../../node/disk.ts'
import { MemoryLaneDisk } from '../doubles/lane-disk.ts'
import { laneDiskConformance } from './lane-disk.ts'

const folders: string[] = []

after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true })
})

laneDiskConformance('the disk in memory', () => Promise.resolve(new MemoryLaneDisk().mount()))

laneDiskConformance('the real disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-lanes-'))
  folders.push(folder)
  return openLaneDisk(join(folder, 'chain'), { clock: systemClock })
})
