// Goal: no grant shows a kernel's home, its keys and its control socket, under whatever name this machine has for it: a
// link on the way to it, a mount of it or of a folder around it, a mount of it within what is granted (attack 8).

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { detectContainment } from '../../../node/containment/detect.ts'
import { Lab } from '../kernel/lab.ts'

describe('chaos: the home of a kernel', function () {
  this.timeout(60_000)
  let lab: Lab
  const mounted: string[] = []

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name !== 'bubblewrap') {
      process.stderr.write(`skipped: there is no bubblewrap here\n`)
      this.skip()
    }
    lab = await Lab.open()
    for (const name of ['real/home', 'alias', 'work/inner'])
      mkdirSync(join(lab.folder, name), { recursive: true })
    symlinkSync(join(lab.folder, 'real/home'), lab.homeOf('laptop'))
    await lab.start('laptop')
  })
  after(async () => {
    for (const path of mounted) execFileSync('umount', [path])
    await lab?.close()
  })

  async function refused(grant: string): Promise<void> {
    const { code, stdout, stderr } = await lab.weaver(
      'laptop',
      'run',
      '--grant',
      grant,
      '--',
      'find',
      lab.folder,
      '-name',
      'identity.key'
    )
    assert.equal(stdout, '', 'the key is not seen')
    assert.equal(code, 125)
    assert.match(stderr, /own home/, grant)
  }

  it('is not shown where a link leads to it', async () => {
    for (const path of ['real', 'real/home', 'real/home/run']) {
      await refused(`fs.read:${join(lab.folder, path)}`)
    }
    const { code } = await lab.weaver(
      'laptop',
      'run',
      '--workspace',
      join(lab.folder, 'work'),
      '--',
      'true'
    )
    assert.equal(code, 0, 'what lies beside it may be given')
  })

  it('is not shown where it is mounted once more', async function () {
    try {
      mount('real', 'alias')
      mount('real/home/run', 'work/inner')
    } catch (error) {
      process.stderr.write(`skipped: this user may not mount: ${String(error)}\n`)
      this.skip()
    }
    for (const path of ['alias', 'alias/home', 'work', 'work/inner']) {
      await refused(`fs.write:${join(lab.folder, path)}`)
    }
  })

  it('is not shown where it lies among the programs of the system', async function () {
    let system: string
    try {
      system = mkdtempSync('/usr/local/weaver-home-')
    } catch (error) {
      process.stderr.write(`skipped: this user may not write there: ${String(error)}\n`)
      this.skip()
    }
    try {
      symlinkSync(system, lab.homeOf('system'))
      await lab.start('system')
      const { stdout } = await lab.weaver('system', 'run', '--', 'find', system)
      assert.equal(stdout, `${system}\n`, 'it is empty')
    } finally {
      await lab.weaver('system', 'kernel', 'stop')
      rmSync(system, { recursive: true })
    }
  })

  function mount(from: string, to: string): void {
    const place = join(lab.folder, to)
    execFileSync('mount', ['--bind', join(lab.folder, from), place], { stdio: 'pipe' })
    mounted.push(place)
  }
})
