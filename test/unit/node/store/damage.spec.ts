// What LevelDB loses without a word is noticed at the next opening, and a full disk costs nothing that was
// acknowledged. Method: real stores in a folder; their files are cut, changed and removed; a small tmpfs that is full.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Level } from 'level'
import { LevelStore } from '../../../../node/level-store.ts'

describe('LevelStore, damaged', () => {
  let directory: string
  let path: string
  let headFile: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-store-'))
    path = join(directory, 'store')
    headFile = join(directory, 'store.head')
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  async function filled(count: number): Promise<void> {
    const store = await LevelStore.open(path, { headFile })
    for (let index = 0; index < count; index += 1) {
      await store.write([{ key: `key/${index}`, value: new Uint8Array(300).fill(index) }])
    }
    await store.write([{ key: 'key/0', value: null }])
    await store.close()
  }

  function logFile(): string {
    const name = readdirSync(path).find((each) => each.endsWith('.log'))
    assert(name !== undefined)
    return join(path, name)
  }

  it('opens again with all that was written, and with what a version without sums wrote', async () => {
    await filled(20)
    const again = await LevelStore.open(path, { headFile, isSummed: true })
    assert.equal((await again.list('key/')).length, 19)
    await again.close()
    const level = new Level<string, Uint8Array>(path, { valueEncoding: 'view' })
    await level.del('!sum')
    await level.close()
    rmSync(headFile)
    await assert.rejects(LevelStore.open(path, { headFile, isSummed: true }), {
      code: 'STORE_DAMAGED'
    })
    const older = await LevelStore.open(path, { headFile })
    assert.equal((await older.list('')).length, 19)
    await older.close()
  })

  it('a log that was cut, emptied or is gone is refused (D4)', async () => {
    for (const damage of [
      () => truncateSync(logFile(), 3000),
      () => truncateSync(logFile(), readFileSync(logFile()).length - 20),
      () => truncateSync(logFile(), 0),
      () => rmSync(logFile()),
      () => rmSync(path, { recursive: true })
    ]) {
      await filled(20)
      damage()
      await assert.rejects(
        LevelStore.open(path, { headFile }),
        { code: 'STORE_DAMAGED' },
        String(damage)
      )
      rmSync(path, { recursive: true, force: true })
      rmSync(headFile)
    }
  })

  it('a flipped byte anywhere in the log is refused (D4)', async () => {
    await filled(12)
    const file = logFile()
    const bytes = readFileSync(file)
    for (let at = 0; at < bytes.length; at += 97) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      const copy = join(directory, 'copy')
      mkdirSync(copy)
      for (const name of readdirSync(path))
        writeFileSync(join(copy, name), readFileSync(join(path, name)))
      writeFileSync(join(copy, file.slice(path.length + 1)), changed)
      await assert.rejects(
        LevelStore.open(copy, { headFile }),
        { code: 'STORE_DAMAGED' },
        `byte ${at}`
      )
      rmSync(copy, { recursive: true })
    }
  })

  it('a store without its head file opens; one that is older than its head does not', async () => {
    await filled(3)
    const old = new Map(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]))
    const store = await LevelStore.open(path, { headFile })
    await store.write([{ key: 'more', value: new Uint8Array(1) }])
    await store.close()
    rmSync(path, { recursive: true })
    mkdirSync(path)
    for (const [name, bytes] of old) writeFileSync(join(path, name), bytes)
    await assert.rejects(LevelStore.open(path, { headFile }), {
      code: 'STORE_DAMAGED',
      message: /write \d+ was/
    })
    rmSync(headFile)
    await (await LevelStore.open(path, { headFile })).close()
  })

  it('a full disk refuses, loses nothing before or after it, and goes on (D5)', async function () {
    try {
      mkdirSync(path)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' })
    } catch {
      process.stderr.write('  skipped: no right to mount a tmpfs\n')
      this.skip()
    }
    try {
      const place = join(path, 'store')
      const store = await LevelStore.open(place)
      const acknowledged = new Set<string>()
      let refused = 0
      const put = async (key: string): Promise<void> => {
        try {
          await store.write([{ key, value: new Uint8Array(3000).fill(7) }])
          acknowledged.add(key)
        } catch {
          refused += 1
        }
      }
      for (let index = 0; index < 10; index += 1) await put(`before/${index}`)
      const filler = join(path, 'filler')
      for (let blocks = 1; ; blocks += 1) {
        try {
          writeFileSync(filler, new Uint8Array(4096), { flag: 'a' })
        } catch {
          break
        }
      }
      for (let index = 0; index < 10; index += 1) await put(`full/${index}`)
      assert(refused > 0, 'the disk was never full')
      // What is there can be read all the while.
      assert.equal((await store.list('before/')).length, 10)
      rmSync(filler)
      refused = 0
      for (let index = 0; index < 30; index += 1) await put(`after/${index}`)
      assert.equal(refused, 0)
      await store.close()
      const again = await LevelStore.open(place)
      const found = new Set((await again.list('')).map(([key]) => key))
      assert.deepEqual(
        [...acknowledged].filter((key) => !found.has(key)),
        []
      )
      await again.close()
    } finally {
      execFileSync('umount', [path])
    }
  })
})
