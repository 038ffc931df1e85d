import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseGrant } from '../../../../core/index.ts'
import { grantedFolders, namesOf, parseMounts } from '../../../../node/containment/closed-places.ts'

const MOUNTS = parseMounts(`22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 8:2 /@home /home rw - btrfs /dev/sda2 rw
31 22 8:2 / /mnt/all rw - btrfs /dev/sda2 rw
32 22 8:2 /@home/me/.weaver/run /srv/a\\040b rw - btrfs /dev/sda2 rw
33 30 8:3 / /home/me/.weaver/blobs rw - ext4 /dev/sda3 rw
34 22 8:3 / /big rw - ext4 /dev/sda3 rw
35 22 8:4 /@home/me/.weaver /other rw - ext4 /dev/sda4 rw
`)

describe('containment/closed-places', () => {
  it('namesOf() finds a folder, its parts, and what is mounted in it, wherever mounts show them', () => {
    const names = namesOf('/home/me/.weaver', MOUNTS)
    const others = ['/mnt/all/@home/me/.weaver', '/srv/a b', '/home/me/.weaver/blobs', '/big']
    assert.deepEqual(new Set(names), new Set(['/home/me/.weaver', ...others]))
    assert.deepEqual(namesOf('/elsewhere', []), ['/elsewhere'])
  })

  it('grantedFolders() refuses a home by every name, its parents and its parts (V2)', () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'weaver-closed-')))
    try {
      mkdirSync(join(folder, 'real/home/run'), { recursive: true })
      mkdirSync(join(folder, 'real/work'))
      symlinkSync(join(folder, 'real'), join(folder, 'link'))
      const closed = [join(folder, 'link/home')]
      for (const path of ['real', 'real/home', 'real/home/run', 'link', 'link/home', '']) {
        const grants = [parseGrant(`fs.read:${join(folder, path)}`)]
        assert.throws(() => grantedFolders(grants, closed), /own home/, path)
      }
      const other = [parseGrant(`fs.write:${join(folder, 'real/work')}`)]
      assert.equal(grantedFolders(other, closed).length, 1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
