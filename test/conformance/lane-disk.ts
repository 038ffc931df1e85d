// What every LaneDisk must do: see the contract in chain/ports.ts.

import assert from 'node:assert/strict'
import type { LaneDisk, LaneFile } from '../../chain/index.ts'

async function existing(disk: LaneDisk, file: string): Promise<LaneFile> {
  const opened = await disk.open(file)
  assert(opened !== null)
  return opened
}

/** Runs the suite over disks that `make` provides, each empty. `hasMarks`: they tell of changes; else their marks are empty. */
export function laneDiskConformance(
  name: string,
  make: () => Promise<LaneDisk>,
  { hasMarks = true }: { readonly hasMarks?: boolean } = {}
): void {
  describe(`${name} is a lane disk`, () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5)

    it('a file that was never created is null, and is not made by asking', async () => {
      const disk = await make()
      assert.equal(await disk.open('a.lane'), null)
      assert.deepEqual(await disk.list(), [])
    })

    it('create() makes a file, and opens the one that is there', async () => {
      const disk = await make()
      const first = await disk.create('a.lane')
      assert.equal(await first.size(), 0)
      await first.write(0, bytes)
      await first.sync()
      const second = await disk.create('a.lane')
      assert.deepEqual(await second.read(0, 10), bytes)
      assert.deepEqual(await disk.list(), ['a.lane'])
      await first.close()
      await second.close()
    })

    it('writes grow a file, leave zeros in gaps, and are seen by other openings', async () => {
      const disk = await make()
      const file = await disk.create('a.lane')
      await file.write(3, bytes)
      await file.write(4, Uint8Array.of(9))
      const other = await existing(disk, 'a.lane')
      assert.equal(await other.size(), 8)
      assert.deepEqual(await other.read(0, 8), Uint8Array.of(0, 0, 0, 1, 9, 3, 4, 5))
      await file.close()
      await other.close()
    })

    it('read() gives fewer bytes only at the end, and plain Uint8Arrays of its own', async () => {
      const disk = await make()
      const file = await disk.create('a.lane')
      await file.write(0, bytes)
      assert.deepEqual(await file.read(3, 10), Uint8Array.of(4, 5))
      assert.deepEqual(await file.read(5, 10), new Uint8Array(0))
      assert.deepEqual(await file.read(50, 10), new Uint8Array(0))
      const read = await file.read(0, 5)
      await file.write(0, new Uint8Array(5))
      assert.deepEqual(read, bytes)
      await file.close()
    })

    it('truncate() cuts, and what is written behind it starts from zeros', async () => {
      const disk = await make()
      const file = await disk.create('a.lane')
      await file.write(0, bytes)
      await file.truncate(2)
      await file.sync()
      assert.equal(await file.size(), 2)
      await file.write(4, Uint8Array.of(7))
      assert.deepEqual(await file.read(0, 9), Uint8Array.of(1, 2, 0, 0, 7))
      await file.close()
    })

    if (!hasMarks) {
      it('mark() is empty, as of a file system that keeps no times', async () => {
        const file = await (await make()).create('a.lane')
        await file.write(0, bytes)
        assert.equal((await file.mark()).text, '')
        await file.close()
      })
    } else {
      it('mark() is another one after each change, of the bytes, the size or the file itself', async () => {
        const disk = await make()
        const file = await disk.create('a.lane')
        await file.write(0, bytes)
        const first = await file.mark()
        assert.notEqual(first.text, '')
        await file.read(0, 5)
        await file.sync()
        const other = await existing(disk, 'a.lane')
        assert.deepEqual(await other.mark(), first)
        // The clock of the file system has a grain: within it a change may not show.
        for (let mark = first; mark.text === first.text; mark = await file.mark()) {
          await file.write(0, bytes.toReversed())
        }
        const second = await file.mark()
        assert(second.changedAt >= first.changedAt)
        await file.truncate(4)
        const third = await file.mark()
        assert.notEqual(third.text, second.text)
        const copy = await disk.create('b.lane')
        await copy.write(0, bytes.subarray(0, 4))
        await disk.rename('b.lane', 'a.lane')
        const renamed = await existing(disk, 'a.lane')
        assert.notEqual((await renamed.mark()).text, third.text)
        for (const each of [file, other, copy, renamed]) await each.close()
      })
    }

    it('remove() removes, and what is not there is no failure', async () => {
      const disk = await make()
      await (await disk.create('a.lane')).close()
      await (await disk.create('b.lane')).close()
      await disk.remove('a.lane')
      await disk.remove('a.lane')
      assert.deepEqual(await disk.list(), ['b.lane'])
    })

    it('rename() puts a whole file in the place of another, and open files stay', async () => {
      const disk = await make()
      const old = await disk.create('a.lane')
      await old.write(0, bytes)
      const fresh = await disk.create('a.new')
      await fresh.write(0, Uint8Array.of(9))
      await fresh.sync()
      await disk.rename('a.new', 'a.lane')
      assert.deepEqual(await disk.list(), ['a.lane'])
      const renamed = await existing(disk, 'a.lane')
      assert.deepEqual(await renamed.read(0, 9), Uint8Array.of(9))
      assert.deepEqual(await old.read(0, 9), bytes)
      await renamed.close()
      await old.close()
      await fresh.close()
    })

    it('close() is idempotent, and a closed file fails with a typed error', async () => {
      const disk = await make()
      const file = await disk.create('a.lane')
      await file.close()
      await file.close()
      for (const use of [() => file.write(0, bytes), () => file.sync(), () => file.read(0, 1)]) {
        await assert.rejects(use(), { code: 'CHAIN_DISK_FAILED' })
      }
    })
  })
}
