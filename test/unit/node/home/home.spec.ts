import assert from 'node:assert/strict'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import { HOME_FORMAT, homePaths } from '../../../../node/home-layout.ts'
import {
  readKernelFile,
  removeKernelFile,
  writeKernelFile
} from '../../../../node/home-kernel-file.ts'
import { homeNotWritable } from '../../../../node/home-errors.ts'
import { writeWhole } from '../../../../node/home-files.ts'
import { openHome } from '../../../../node/home.ts'
import type { Home } from '../../../../node/home.ts'
import { silentLog } from '../../../doubles/silent-log.ts'

/** Everything below a folder with what it contains, to see whether something changed. */
function contents(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => {
      const stats = statSync(join(folder, name))
      const text = stats.isFile() ? readFileSync(join(folder, name), 'base64') : ''
      return `${name} ${stats.mode.toString(8)} ${text}`
    })
}

const mode = (file: string): number => statSync(file).mode & 0o777

describe('a home', () => {
  let directory: string
  let path: string
  let opened: Home[]
  let seeds: number

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'weaver-home-'))
    path = join(directory, 'deep', 'home')
    opened = []
    seeds = 0
  })

  afterEach(async () => {
    for (const home of opened) await home.close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function open(at: string = path): Promise<Home> {
    const entropy = { bytes: (size: number): Uint8Array => new Uint8Array(size).fill(++seeds) }
    const home = await openHome({ entropy, log: silentLog }, { path: at })
    opened.push(home)
    return home
  }

  it('is made with folders 0700, files 0600, and a key of its own', async () => {
    const home = await open()
    assert.equal(home.isNew, true)
    const { paths } = home
    for (const folder of [path, paths.run, paths.store, paths.chain, paths.logs, paths.spool]) {
      if (folder !== paths.store) assert.equal(mode(folder), 0o700, folder)
    }
    assert.equal(mode(paths.identityKey), 0o600)
    assert.match(readFileSync(paths.identityKey, 'utf8'), /^(01){32}\n$/)
    assert.equal(readFileSync(paths.version, 'utf8'), `${HOME_FORMAT}\n`)
    assert.match(home.signer.nodeId, /^12D3KooW/)
    assert.match(home.id, /^[0-9a-f]{16}$/)
  })

  it('keeps its key and its id', async () => {
    const first = await open()
    await first.close()
    const second = await open()
    assert.equal(second.isNew, false)
    assert.equal(second.signer.nodeId, first.signer.nodeId)
    assert.equal(second.id, first.id)
    assert.equal(seeds, 1)
  })

  it('has another id where it was copied to, and the same one through a link', async () => {
    const first = await open()
    await first.close()
    await first.close()
    cpSync(path, join(directory, 'copy'), { recursive: true })
    symlinkSync(path, join(directory, 'link'))
    const copy = await open(join(directory, 'copy'))
    const link = await open(join(directory, 'link'))
    assert.equal(copy.signer.nodeId, first.signer.nodeId)
    assert.notEqual(copy.id, first.id)
    assert.equal(link.id, first.id)
  })

  it('is refused to a second kernel, which is told the pid of the first (W1)', async () => {
    const home = await open()
    await assert.rejects(open(), {
      code: 'NODE_HOME_IN_USE',
      message: /another kernel is using it/
    })
    writeKernelFile(home.paths, { pid: 4711, startedAt: 1, version: '0.1.0' })
    await assert.rejects(open(), { code: 'NODE_HOME_IN_USE', message: /pid 4711/ })
    writeFileSync(home.paths.kernelFile, '{"pid": "x"}')
    await assert.rejects(open(), { code: 'NODE_HOME_IN_USE', message: /another kernel/ })
    assert.equal(existsSync(home.paths.identityKey), true)
  })

  it('of a newer format is refused and left as it is (W2)', async () => {
    const home = await open()
    await home.close()
    writeFileSync(home.paths.version, `${HOME_FORMAT + 1}\n`)
    chmodSync(home.paths.logs, 0o755)
    const before = contents(path)
    await assert.rejects(open(), { code: 'NODE_HOME_NEWER' })
    assert.deepEqual(contents(path), before)
  })

  it('that is somebody else’s folder is refused and left as it is (W2)', async () => {
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'thesis.doc'), 'x')
    const before = contents(path)
    await assert.rejects(open(), { code: 'NODE_HOME_FOREIGN', message: /thesis\.doc/ })
    assert.deepEqual(contents(path), before)
  })

  it('that a crash left half-made is made whole (W3)', async () => {
    mkdirSync(join(path, 'store'), { recursive: true })
    writeFileSync(join(path, 'identity.key.new'), 'half')
    const first = await open()
    await first.close()
    rmSync(first.paths.version) // As if it had crashed before the last step.
    const second = await open()
    // Nor is it new: should the start fail, nothing of it may be removed.
    assert.equal(second.isNew, false)
    assert.equal(second.signer.nodeId, first.signer.nodeId)
  })

  it('that has another key than the one it was made with is refused (W4)', async () => {
    const home = await open()
    await home.close()
    writeFileSync(home.paths.identityKey, `${'ab'.repeat(32)}\n`)
    await assert.rejects(open(), {
      code: 'NODE_HOME_DAMAGED',
      message: /identity\.key is not that/
    })
  })

  it('that lost its store, or some of it, is never begun anew (W4)', async () => {
    const home = await open()
    await home.store.write([{ key: 'task/1', value: new Uint8Array(10) }])
    await home.close()
    for (const gone of [home.paths.store, home.paths.storeHead]) {
      rmSync(gone, { recursive: true })
      if (gone === home.paths.store) {
        await assert.rejects(open(), { code: 'NODE_HOME_DAMAGED', message: /store/ })
      }
    }
    // Both at once: the format of the home tells of them.
    await assert.rejects(open(), { code: 'NODE_HOME_DAMAGED', message: /store/ })
  })

  it('of the format before is opened, and is of this one from then on', async () => {
    const home = await open()
    await home.close()
    const level = new Level<string, Uint8Array>(home.paths.store, { valueEncoding: 'view' })
    await level.del('!sum')
    await level.del('home/node')
    await level.put('task/1', new Uint8Array(3))
    await level.close()
    rmSync(home.paths.storeHead)
    writeFileSync(home.paths.version, '1\n')
    const again = await open()
    assert.equal((await again.store.get('task/1'))?.length, 3)
    await again.close()
    assert.equal(readFileSync(home.paths.version, 'utf8'), `${HOME_FORMAT}\n`)
    await (await open()).close()
  })

  it('that lost its key or has a damaged one gets no other (K1)', async () => {
    const home = await open()
    await home.close()
    writeFileSync(home.paths.identityKey, 'nonsense')
    await assert.rejects(open(), { code: 'NODE_HOME_DAMAGED', message: /hexadecimal/ })
    rmSync(home.paths.identityKey)
    await assert.rejects(open(), { code: 'NODE_HOME_DAMAGED', message: /missing/ })
    assert.equal(existsSync(home.paths.identityKey), false)
    writeFileSync(home.paths.version, 'one')
    await assert.rejects(open(), { code: 'NODE_HOME_DAMAGED', message: /'one'/ })
  })

  it('whose key others may read is refused, and says how to go on (K2)', async () => {
    const home = await open()
    await home.close()
    chmodSync(home.paths.identityKey, 0o640)
    await assert.rejects(open(), { code: 'NODE_KEY_EXPOSED', message: /mode 640/ })
    assert.equal(mode(home.paths.identityKey), 0o640)
    chmodSync(home.paths.identityKey, 0o600)
    await open()
  })

  it('whose folders others may enter is closed to them', async () => {
    mkdirSync(path, { recursive: true, mode: 0o755 })
    await open()
    assert.equal(mode(path), 0o700)
  })

  it('where a file is in the way is refused', async () => {
    writeFileSync(join(directory, 'deep'), '')
    await assert.rejects(open(), {
      code: 'NODE_HOME_NOT_WRITABLE',
      message: /a file is in the way/
    })
    await assert.rejects(open(join(directory, 'deep')), { code: 'NODE_HOME_NOT_WRITABLE' })
  })

  it('in a place that takes no files is refused', async function () {
    if (process.platform !== 'linux') {
      process.stderr.write('skipped: other systems have no /proc\n')
      this.skip()
    }
    await assert.rejects(open('/proc/weaver'), { code: 'NODE_HOME_NOT_WRITABLE' })
  })

  it('with a path too long for its socket is refused', async () => {
    const long = join(directory, 'x'.repeat(100))
    await assert.rejects(open(long), { code: 'NODE_HOME_PATH_TOO_LONG', message: /<= \d+ bytes/ })
    assert.equal(existsSync(long), false)
  })

  it('says that the disk is full, whoever noticed it', () => {
    const node = Object.assign(new Error('ENOSPC: no space left on device, write'))
    const level = new Error('Database failed to open', {
      cause: new Error('IO error: /x/LOCK: No space left on device')
    })
    for (const cause of [node, level]) {
      assert.equal(homeNotWritable('/x', cause).code, 'NODE_HOME_FULL')
    }
    const readOnly = homeNotWritable('/x', new Error('EROFS: read-only file system'))
    assert.match(readOnly.message, /its file system is read-only/)
    assert.match(homeNotWritable('/x', new Error('EACCES: no')).message, /permission denied/)
    assert.match(homeNotWritable('/x', 'odd').message, /odd/)
  })
})

describe('run/kernel.json', () => {
  it('comes and goes with a kernel, and nonsense in it counts as nothing', () => {
    const directory = mkdtempSync(join(tmpdir(), 'weaver-run-'))
    const paths = homePaths(directory)
    mkdirSync(paths.run)
    assert.equal(readKernelFile(paths), null)
    const kernel = { pid: 12, startedAt: 5, version: '0.1.0' }
    writeKernelFile(paths, kernel)
    assert.deepEqual(readKernelFile(paths), kernel)
    removeKernelFile(paths)
    removeKernelFile(paths)
    assert.equal(readKernelFile(paths), null)
    rmSync(directory, { recursive: true })
  })
})

describe('writeWhole', () => {
  it('leaves the old file and no other when the new one cannot be written', () => {
    const directory = mkdtempSync(join(tmpdir(), 'weaver-files-'))
    const path = join(directory, 'file')
    writeWhole(path, 'old')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    mkdirSync(`${path}.new`) // Which is in the way of the new one.
    assert.throws(() => writeWhole(path, 'new'))
    assert.equal(readFileSync(path, 'utf8'), 'old')
    rmSync(directory, { recursive: true })
  })
})
