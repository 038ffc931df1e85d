// What was cut off a lane and kept: records are looked for in it as in any damaged file.

import type { NodeId } from '../core/index.ts'
import type { LaneDisk } from './ports.ts'
import { scanFile } from './scan.ts'
import { isCutOf } from './segment.ts'

/** The records that can still be told apart, in the order of the files. */
export async function* cutRecords(disk: LaneDisk, lane: NodeId): AsyncGenerator<Uint8Array> {
  const names = (await disk.list()).filter((name) => isCutOf(lane, name)).toSorted()
  for (const name of names) {
    const file = await disk.open(name)
    if (file === null) continue
    try {
      for await (const item of scanFile(file, {
        lane,
        from: 0,
        to: await file.size(),
        afterHeight: 0
      })) {
        if (item.kind === 'record') yield item.bytes
      }
    } finally {
      await file.close()
    }
  }
}
