// What an auditor does at a terminal: reads the story of an agent across two machines, names entries as they
// are printed, proves one, and checks the proof where no home is. And clocks that are off.

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { Lab, until } from '../kernel/lab.ts'

const WEAVER = resolve(import.meta.dirname, '../../../bin/weaver.js')

describe('reading the chain as an auditor', function () {
  this.timeout(120_000)
  let lab: Lab

  beforeEach(async () => {
    lab = await Lab.open()
  })

  afterEach(async () => {
    await lab.close()
  })

  it('tells the story of an agent from another machine, and proves a line of it without any home', async () => {
    await lab.pair()
    const agent = ['--runtime', 'custom', '--name', 'coder', '--restart', 'temporary']
    const spawned = await lab.weaver(
      'laptop',
      'agent',
      'spawn',
      ...agent,
      '--on',
      'server',
      '--',
      'true'
    )
    assert.equal(spawned.code, 0, spawned.stderr)
    let story = ''
    await until(async () => {
      story = (await lab.weaver('laptop', 'chain', 'log', '--process', 'coder')).stdout
      return story.includes('process.exited')
    })
    const lines = story.trim().split('\n')
    const kinds = lines.map((line) => line.split('  ')[2])
    const decision = 'policy.decision'
    assert.deepEqual(kinds, [decision, decision, 'process.started', 'process.exited'])
    // On whose behalf, by which rule, on which machine: where it was asked, and where it ran.
    assert.match(lines[0] ?? '', /@laptop {2}policy\.decision {2}user:local -> agent:coder/)
    assert.match(
      lines[1] ?? '',
      /@server {2}policy\.decision {2}node:laptop -> agent:coder .*"rule":"[^"]+"/
    )
    const [, entry = ''] = (lines[2] ?? '').split('  ')
    assert.match(entry, /^\d+\.\d+@server$/)
    const shown = await lab.weaver('laptop', 'chain', 'show', entry)
    assert.equal(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /process\.started/)
    const file = join(lab.folder, 'proof.json')
    await until(
      async () => (await lab.weaver('laptop', 'chain', 'prove', entry, '-o', file)).code === 0
    )
    // Neither HOME nor WEAVER_HOME nor anything else: a file, and node.
    const bare = await promisify(execFile)(process.execPath, [WEAVER, 'verify', file], {
      env: {},
      cwd: '/'
    })
    assert.match(bare.stdout, /^ok: proof/)
    const elsewhere = { WEAVER_HOME: '/nonexistent/home' }
    const named = await promisify(execFile)(process.execPath, [WEAVER, 'verify', file], {
      env: elsewhere
    })
    assert.match(named.stdout, /^ok: proof/)
  })

  it('a redacted entry says so, in the log and in a proof; what is no entry is a mistake of usage', async () => {
    await lab.start('laptop')
    const redacted = await lab.weaver(
      'laptop',
      'chain',
      'redact',
      '1.0@laptop',
      '--reason',
      'a name'
    )
    assert.equal(redacted.code, 0, redacted.stderr)
    const { stdout } = await lab.weaver('laptop', 'chain', 'log', '-n', '100')
    assert.match(stdout, / 1\.0@laptop .*payload redacted by \d+\.\d+@/)
    const file = join(lab.folder, 'proof.json')
    await lab.done('laptop', 'chain', 'prove', '1.0@laptop', '-o', file)
    const verified = await lab.weaver('nobody', 'verify', file)
    assert.equal(verified.code, 0, verified.stdout)
    assert.match(verified.stdout, /payload redacted; its hash stands/)
    assert.match(verified.stdout, /redacted by \d+\.\d+@[\s\S]*\{"reason":"a name"\}/)
    const left = ['chain', 'prove', '1.0@laptop', '--no-payload', '-o', file]
    await lab.done('laptop', ...left)
    const bare = await lab.weaver('nobody', 'verify', file)
    assert.match(bare.stdout, /payload redacted or left out/)
    for (const words of [
      ['show', '1.0'],
      ['show', 'nonsense'],
      ['prove', '1.0', '-o', file],
      ['redact', '1.0', '--reason', 'x']
    ]) {
      assert.equal((await lab.weaver('laptop', 'chain', ...words)).code, 2, words.join(' '))
    }
    assert.equal((await lab.weaver('laptop', 'chain', 'show', '9999.0@laptop')).code, 1)
  })

  it('a member whose clock is an hour slow is shown, and works all the same (R7)', async function () {
    if (spawnSync('faketime', ['--version']).status !== 0) {
      process.stderr.write('  skipped: faketime is not installed\n')
      this.skip()
    }
    const laptop = await lab.start('laptop')
    const invite = await lab.invite('laptop')
    lab.runBehind('server', ['faketime', '-f', '-1h'])
    await lab.start('server', '--join', invite)
    await lab.done('laptop', 'run', '--on', 'server', '--', 'true')
    await until(async () => {
      const { lanes } = await laptop.client.chainStatus()
      const behind = lanes.find(({ node }) => node === 'server')?.clockBehindMs ?? 0
      return behind > 3_500_000 && behind < 3_700_000
    })
    const { stdout } = await lab.weaver('laptop', 'chain', 'status')
    assert.match(stdout, /server .*(?:1h|60m|59m)\S* behind/)
    await lab.done('laptop', 'chain', 'verify')
  })
})
