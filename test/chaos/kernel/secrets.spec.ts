// Goal: a canary secret that processes use, print, pass as arguments and fail with is in no output, no log, no
// row and no lane of either machine (attack 15).
// Method: two real kernels; afterwards every byte of both homes is searched.

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { detectContainment } from '../../../node/containment/detect.ts'
import { Lab, resultOf } from './lab.ts'

const CANARY = 'canary-5f2e9c!correct/horse'
/** What a process does with it, and what is seen of that. */
const USES: readonly (readonly [script: string, seen: RegExp])[] = [
  ['echo "key=$CANARY"', /^key=\[redacted\]$/m],
  ['echo "key=$CANARY" >&2; exit 1', /^key=\[redacted\]$/m],
  ['printf %s "$CANARY" | base64', /\[redacted\]/],
  ['for c in $(printf %s "$CANARY" | sed "s/./& /g"); do printf %s "$c"; done', /\[redacted\]/],
  // As curl puts it into a URL.
  [
    `perl -e '$_ = $ENV{CANARY}; s/([^A-Za-z0-9._~-])/sprintf("%%%02X", ord $1)/ge; print "$_\\n"'`,
    /^\[redacted\]$/m
  ],
  ['exec "/nowhere/$CANARY"', /\[redacted\]/],
  ['env', /^CANARY=\[redacted\]$/m]
]

describe('chaos: a canary secret', function () {
  this.timeout(120_000)
  let lab: Lab

  before(async function () {
    const detected = await detectContainment(process.platform, process.arch)
    if (detected.name !== null) return
    process.stderr.write(`skipped: ${detected.why}; ${detected.fix}\n`)
    this.skip()
  })

  beforeEach(async () => {
    lab = await Lab.open()
    await lab.pair()
    const set = lab.spawn('laptop', ['secrets', 'set', 'CANARY'])
    set.stdin?.end(CANARY)
    assert.equal((await resultOf(set)).code, 0)
  })
  afterEach(() => lab.close())

  for (const node of ['laptop', 'server']) {
    it(`leaves nothing of itself behind, used on ${node}`, async () => {
      for (const [script, seen] of USES) {
        const args = ['--on', node, '--grant', 'secret:CANARY', '--', 'sh', '-c', script]
        const { stdout, stderr } = await lab.weaver('laptop', 'run', ...args)
        assert.match(stdout + stderr, seen, script)
        assert.equal((stdout + stderr).includes(CANARY), false, script)
      }
      const detached = ['--detach', '--on', node, '--grant', 'secret:CANARY', '--', 'env']
      const { stdout: id } = await lab.weaver('laptop', 'run', ...detached)
      await lab.done('laptop', 'task', 'wait', id.trim())
      const logs = await lab.weaver('laptop', 'task', 'logs', id.trim())
      assert.match(logs.stdout, /^CANARY=\[redacted\]$/m)
      const without = await lab.weaver('laptop', 'run', '--on', node, '--', 'env')
      assert.equal(without.stdout.includes('CANARY'), false)
      const verified = await lab.weaver('laptop', 'chain', 'verify')
      assert.equal(verified.code, 0, verified.stdout)
      for (const home of ['laptop', 'server'])
        assert.deepEqual(await filesWith(lab.homeOf(home)), [])
    })
  }
})

async function filesWith(home: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && (await readFile(path)).includes(CANARY)) found.push(path)
  }
  return found
}
