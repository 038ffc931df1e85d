import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copiedEtc } from '../../../../node/containment/etc.ts'

describe('the copy of /etc for contained processes', () => {
  let root: string
  let source: string
  let folder: string

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'weaver-etc-'))
    source = join(root, 'source')
    folder = join(root, 'run', 'etc')
    mkdirSync(join(source, 'fonts', 'conf.d'), { recursive: true })
    writeFileSync(join(source, 'fonts', 'conf.d', 'a.conf'), 'a')
    writeFileSync(join(source, 'hosts'), 'one')
    writeFileSync(join(source, 'shadow'), 'secret')
    writeFileSync(join(root, 'resolved'), 'nameserver 1')
    symlinkSync(join(root, 'resolved'), join(source, 'resolv.conf'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const madeAt = (): bigint => statSync(join(folder, 'hosts'), { bigint: true }).ctimeNs

  it('has what programs need, and nothing else', () => {
    assert.equal(copiedEtc(folder, source), folder)
    assert.deepEqual([read('hosts'), read('fonts/conf.d/a.conf')], ['one', 'a'])
    assert.equal(read('resolv.conf'), 'nameserver 1')
    assert.equal(existsSync(join(folder, 'shadow')), false)
  })

  it('stays as it is while nothing changes', () => {
    copiedEtc(folder, source)
    const before = madeAt()
    copiedEtc(folder, source)
    assert.equal(madeAt(), before)
  })

  it('follows each change: of a file below a folder, of one behind a link, a name that comes or goes', () => {
    copiedEtc(folder, source)
    writeFileSync(join(source, 'fonts', 'conf.d', 'a.conf'), 'b')
    copiedEtc(folder, source)
    assert.equal(read('fonts/conf.d/a.conf'), 'b')
    writeFileSync(join(root, 'resolved'), 'nameserver 2')
    copiedEtc(folder, source)
    assert.equal(read('resolv.conf'), 'nameserver 2')
    writeFileSync(join(source, 'fonts', 'local.conf'), 'new')
    rmSync(join(source, 'hosts'))
    copiedEtc(folder, source)
    assert.equal(read('fonts/local.conf'), 'new')
    assert.equal(existsSync(join(folder, 'hosts')), false)
  })

  it('is made anew where it was begun and not finished', () => {
    copiedEtc(folder, source)
    rmSync(join(folder, 'hosts'))
    rmSync(`${folder}.made-of`)
    copiedEtc(folder, source)
    assert.equal(read('hosts'), 'one')
  })
})
