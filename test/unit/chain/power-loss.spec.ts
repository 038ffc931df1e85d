// Fault R3. Goal: whenever the power fails, what was acknowledged is recovered, and never a shorter lane
// silently (I1, I2).
// Method: all writes of a run are recorded; each prefix of them is replayed onto an empty disk, the last
// write torn at 512 bytes and at 4 KiB, and the chain opened on it.

import assert from 'node:assert/strict'
import type { Chain, LaneDisk, LaneFile } from '../../../chain/index.ts'
import { openChain } from '../../../chain/index.ts'
import { equalBytes } from '../../../core/index.ts'
import { MemoryLaneDisk } from '../../doubles/lane-disk.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { draft, kit, recordsOf } from './kit.ts'

type Step =
  | { readonly kind: 'create'; readonly name: string }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | {
      readonly kind: 'write'
      readonly name: string
      readonly offset: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'truncate'; readonly name: string; readonly size: number }
  | { readonly kind: 'acknowledged'; readonly height: number }

function recording(inner: LaneDisk, steps: Step[]): LaneDisk {
  const file = (name: string, opened: LaneFile): LaneFile => ({
    size: () => opened.size(),
    mark: () => opened.mark(),
    read: (offset, length) => opened.read(offset, length),
    write: (offset, bytes) => {
      steps.push({ kind: 'write', name, offset, bytes: bytes.slice() })
      return opened.write(offset, bytes)
    },
    truncate: (size) => {
      steps.push({ kind: 'truncate', name, size })
      return opened.truncate(size)
    },
    sync: () => opened.sync(),
    close: () => opened.close()
  })
  return {
    list: () => inner.list(),
    open: async (name) => {
      const opened = await inner.open(name)
      return opened === null ? null : file(name, opened)
    },
    create: async (name) => {
      const opened = file(name, await inner.create(name))
      steps.push({ kind: 'create', name })
      return opened
    },
    remove: (name) => {
      steps.push({ kind: 'remove', name })
      return inner.remove(name)
    },
    rename: (from, to) => {
      steps.push({ kind: 'rename', from, to })
      return inner.rename(from, to)
    }
  }
}

/** A disk on which these steps have been done, the last write only up to `part` bytes of it. */
function replayed(steps: readonly Step[], part: number): MemoryLaneDisk {
  const files = new Map<string, Uint8Array>()
  for (const [index, step] of steps.entries()) {
    if (step.kind === 'create') files.set(step.name, files.get(step.name) ?? new Uint8Array(0))
    else if (step.kind === 'remove') files.delete(step.name)
    else if (step.kind === 'rename') {
      files.set(step.to, files.get(step.from) ?? new Uint8Array(0))
      files.delete(step.from)
    } else if (step.kind === 'truncate') {
      files.set(step.name, (files.get(step.name) ?? new Uint8Array(0)).slice(0, step.size))
    } else if (step.kind === 'write') {
      const bytes = index === steps.length - 1 ? step.bytes.subarray(0, part) : step.bytes
      const old = files.get(step.name) ?? new Uint8Array(0)
      const grown = new Uint8Array(Math.max(old.length, step.offset + bytes.length))
      grown.set(old)
      grown.set(bytes, step.offset)
      files.set(step.name, grown)
    }
  }
  const disk = new MemoryLaneDisk()
  for (const [name, bytes] of files) disk.put(name, bytes)
  return disk
}

/** Where the last write may be torn. */
function tears(step: Step | undefined): readonly number[] {
  if (step?.kind !== 'write') return [0]
  const size = step.bytes.length
  const parts = new Set([0, size])
  for (const sector of [512, 4096]) {
    // Sectors lie where they lie in the file, not where the write begins.
    for (let at = sector - (step.offset % sector); at < size; at += sector) parts.add(at)
  }
  return [...parts]
}

async function openOn(disk: LaneDisk, segmentBytes: number): Promise<Chain> {
  const { clock, signer } = kit()
  return openChain({ disk, clock, signer, log: silentLog }, { segmentBytes })
}

describe('chain: power loss (R3)', () => {
  it('every prefix of the writes, torn anywhere, recovers all that was acknowledged', async () => {
    const steps: Step[] = []
    const disk = new MemoryLaneDisk()
    const chain = await openOn(recording(disk.mount(), steps), 12_000)
    for (let round = 0; round < 14; round += 1) {
      const payload = { bytes: new Uint8Array((round % 5) * 1500).fill(round) }
      const drafts = Array.from({ length: 1 + (round % 4) }, () => draft(round, { payload }))
      const [ref] = await chain.append(drafts)
      steps.push({ kind: 'acknowledged', height: ref?.height ?? 0 })
      if (round === 9) await chain.append([redaction(chain)])
      if (round === 9) steps.push({ kind: 'acknowledged', height: chain.heads()[0]?.height ?? 0 })
    }
    const { lane } = kit()
    const whole = await recordsOf(chain, lane)
    await chain.stop()
    let replays = 0
    for (let count = 1; count <= steps.length; count += 1) {
      const prefix = steps.slice(0, count)
      const acknowledged = prefix.reduce(
        (height, step) => (step.kind === 'acknowledged' ? step.height : height),
        0
      )
      for (const part of tears(prefix.at(-1))) {
        replays += 1
        await check(replayed(prefix, part), { acknowledged, whole, where: `${count}/${part}` })
      }
    }
    assert(replays > 100, `only ${replays} replays`)
  })
})

function redaction(chain: Chain): ReturnType<typeof draft> {
  const subject = `entry:2.0@${chain.heads()[0]?.lane ?? ''}`
  return draft(0, { kind: 'chain.redacted', subject, payload: { reason: 'test' } })
}

async function check(
  disk: MemoryLaneDisk,
  {
    acknowledged,
    whole,
    where
  }: { acknowledged: number; whole: readonly Uint8Array[]; where: string }
): Promise<void> {
  const { lane } = kit()
  const chain = await openOn(disk.mount(), 12_000)
  await chain.upkeep.resumeRedactions((query) => chain.log(query))
  const height = chain.heads()[0]?.height ?? 0
  assert(height >= acknowledged, `${where}: ${height} of ${acknowledged} acknowledged blocks`)
  const report = await chain.verify()
  assert.deepEqual(report.problems, [], where)
  const recovered = await recordsOf(chain, lane)
  for (const [index, record] of recovered.entries()) {
    const isSame = equalBytes(
      record.subarray(0, 36 + 60),
      whole[index]?.subarray(0, 36 + 60) ?? record
    )
    if (index !== 1) assert(isSame, `${where}: block ${index + 1} is another one`)
  }
  await chain.append([draft(1)])
  await chain.stop()
}
