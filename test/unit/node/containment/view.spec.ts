import assert from 'node:assert/strict'
import { parseGrant } from '../../../../core/index.ts'
import { seatbeltProfile } from '../../../../node/containment/seatbelt.ts'
import { grantedView, insideOf, outsideOf } from '../../../../node/containment/view.ts'

const HOME = '/root/.weaver'
const seen = (...grants: readonly string[]): ReturnType<typeof grantedView> =>
  grantedView(grants.map(parseGrant), [HOME])

describe('containment/view', () => {
  it('shows what path grants name, parents before children', () => {
    const view = seen('fs.write:/data/a/b', 'fs.read:/data', 'env:LANG', 'fs.read:/x=/names')
    assert.deepEqual(
      view.map(({ inside, isWritable }) => [inside, isWritable]),
      [
        ['/data', false],
        ['/names', false],
        ['/data/a/b', true]
      ]
    )
  })

  for (const text of [
    `fs.read:${HOME}`,
    `fs.write:${HOME}/work/3`,
    'fs.read:/root',
    'fs.read:/',
    'fs.write:/data=/',
    'fs.read:/proc/1',
    'fs.write:/dev/shm',
    'fs.read:/run/docker.sock',
    'fs.write:/sys/fs/cgroup',
    'fs.read:/data=/proc/x',
    'fs.write:/data=/usr/bin',
    'fs.write:/data=/etc'
  ]) {
    it(`refuses ${text} (V2, V3)`, () => {
      assert.throws(() => seen(text), { code: 'CONTAINMENT_GRANT_REFUSED' })
    })
  }

  it('a name beside the home’s is not the home', () => {
    assert.equal(seen('fs.read:/root/.weaver-old').length, 1)
  })

  it('knows where a path inside lies, and the other way round', () => {
    const view = seen('fs.read:/data=/in', 'fs.read:/data/deep')
    assert.equal(outsideOf('/in/x/../y', view), '/data/y')
    assert.equal(outsideOf('/inside', view), null)
    assert.equal(insideOf('/data/z', view), '/in/z')
    assert.equal(insideOf('/data/deep/z', view), '/data/deep/z')
    assert.equal(insideOf('/etc', view), null)
  })
})

describe('containment/seatbelt', () => {
  it('denies by default, and quotes what it is given', () => {
    const folder = { path: '/a "b"\\c', inside: '/x', isWritable: true }
    const lines = seatbeltProfile([folder]).trim().split('\n')
    assert.deepEqual(lines.slice(0, 2), ['(version 1)', '(deny default)'])
    assert(lines.includes(String.raw`(allow file-write* (subpath "/a \"b\"\\c"))`))
    assert.deepEqual(lines.slice(-2), ['(deny network*)', '(deny file-write-setugid)'])
  })

  it('lets nothing be written that is only to be read', () => {
    const folder = { path: '/data', inside: '/data', isWritable: false }
    assert(!seatbeltProfile([folder]).includes('(allow file-write* (subpath'))
  })
})
