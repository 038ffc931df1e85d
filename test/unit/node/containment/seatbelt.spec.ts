import assert from 'node:assert/strict'
import { seatbeltProfile } from '../../../../node/containment/seatbelt.ts'

// What is said, in its order: later rules win. That macOS does as it is told is untried.
describe('containment/seatbelt', () => {
  const seen = [
    { path: '/Users/me/data', inside: '/Users/me/data', isWritable: false },
    { path: '/Users/me/wo"rk', inside: '/Users/me/wo"rk', isWritable: true }
  ]
  const guards = [
    { path: '/Users/me/wo"rk/.git', isWritable: true },
    { path: '/Users/me/wo"rk/.git/config', isWritable: false }
  ]
  const lines = seatbeltProfile(seen, guards).split('\n')
  const at = (line: string): number => {
    assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`)
    return lines.indexOf(line)
  }

  it('denies what it does not allow, and all network last', () => {
    assert.equal(at('(deny default)'), 1)
    const network = at('(deny network*)')
    assert.deepEqual(
      lines.slice(network).filter((line) => line.startsWith('(allow')),
      []
    )
  })

  it('lets what is granted be read, and written only where it is granted for that', () => {
    at('(allow file-read* (subpath "/Users/me/data"))')
    at(String.raw`(allow file-write* (subpath "/Users/me/wo\"rk"))`)
    assert.ok(!lines.some((line) => line.includes('file-write* (subpath "/Users/me/data")')))
  })

  it('closes again what stays closed, after the folder around it was opened', () => {
    const open = at(String.raw`(allow file-write* (subpath "/Users/me/wo\"rk"))`)
    assert.ok(at(String.raw`(deny file-write* (subpath "/Users/me/wo\"rk/.git/config"))`) > open)
    assert.ok(at(String.raw`(deny file-write-unlink (literal "/Users/me/wo\"rk/.git"))`) > open)
  })

  it('does not show everybody’s files under the name of their volume', () => {
    const data = at('(deny file-read* file-write* (subpath "/System/Volumes/Data"))')
    assert.ok(data < at('(allow file-read* (subpath "/Users/me/data"))'))
    assert.ok(data > lines.findIndex((line) => line.includes('(subpath "/System")')))
  })
})
