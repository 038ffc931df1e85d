// A member that was told to keep less than all lanes whole: what it frees, what it says, what it can still prove.

import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Lab, until } from '../kernel/lab.ts'
import type { KernelHandle } from '../kernel/lab.ts'
import { heightOf, laneOf, untilHeld } from './lanes.ts'

describe('a member that keeps less than all lanes whole', function () {
  this.timeout(120_000)
  let lab: Lab

  beforeEach(async () => {
    lab = await Lab.open()
  })

  afterEach(async () => {
    await lab.close()
  })

  it('nothing of others: their blocks are freed, said to be unkept, no damage, and witnessed', async () => {
    const [laptop, server] = await lab.pair()
    await until(async () => (await heightOf(laptop, 'server')) > 0)
    assert.equal((await lab.weaver('laptop', 'chain', 'keep')).code, 2)
    assert.equal((await lab.weaver('laptop', 'chain', 'keep', '--lane', 'nobody')).code, 1)
    const chosen = await lab.weaver('laptop', 'chain', 'keep', '--own')
    assert.equal(chosen.code, 0, chosen.stderr)
    assert.match(chosen.stdout, /freed/)
    const { nodeId } = await server.client.status()
    const left = (await readdir(join(laptop.home, 'chain'))).filter((name) =>
      name.startsWith(nodeId)
    )
    assert(!left.some((name) => /\.(?:lane|head)$/.test(name)), left.join(' '))
    // Also after a restart of the one that was told.
    await lab.done('laptop', 'kernel', 'restart')
    for (let round = 0; round < 3; round += 1) {
      await lab.done('server', 'run', '--', 'true')
    }
    const grown = await heightOf(server, 'server')
    await until(async () => (await laneOf(laptop, 'server'))?.state === 'unkept')
    assert.equal(await heightOf(laptop, 'server'), 0)
    const { ok, problems } = await laptop.client.verifyChain(null)
    assert.deepEqual([ok, problems], [true, []])
    assert.equal((await lab.weaver('laptop', 'chain', 'show', `${grown}.0@server`)).code, 1)
    // Witness duty: the newest checkpoint of the lane that it does not keep carries its cosignature.
    await until(async () => {
      const { checkpoint = null } = (await laneOf(server, 'server')) ?? {}
      return (checkpoint?.size ?? 0) >= grown && checkpoint?.witnesses.includes('laptop') === true
    })
    // Of an admin the headers stay: its redactions count on this node, too.
    assert.match(
      (await lab.weaver('server', 'chain', 'keep', '--own')).stdout,
      /of laptop .*headers/
    )
    assert.equal((await laneOf(server, 'laptop'))?.kept, 'headers')
    // And back.
    await lab.done('laptop', 'chain', 'keep', '--all')
    await until(async () => (await heightOf(laptop, 'server')) >= grown)
    assert.equal((await laneOf(laptop, 'server'))?.state, 'ok')
  })

  it('headers only: says so everywhere, proves with the payload of whoever has it, gets all back', async () => {
    const [laptop, server] = await lab.pair()
    const secret = 'a-line-that-only-payloads-hold'
    await lab.done('laptop', 'run', '--on', 'server', '--', 'echo', secret)
    await untilHeld(server, laptop)
    const before = (await laneOf(server, 'laptop'))?.bytes ?? 0
    assert(await mentions(server, secret))
    const chosen = await lab.weaver('server', 'chain', 'keep', '--headers')
    assert.equal(chosen.code, 0, chosen.stderr)
    assert.match(chosen.stdout, /of laptop it keeps the headers only\nfreed/)
    const after = await laneOf(server, 'laptop')
    assert.equal(after?.kept, 'headers')
    assert(after.bytes < before, `${after.bytes} of ${before}`)
    assert.match((await lab.weaver('server', 'chain', 'status')).stdout, /laptop .*headers/)
    const verified = await lab.weaver('server', 'chain', 'verify')
    assert.equal(verified.code, 0, verified.stdout)
    assert.match(verified.stdout, /only the headers of laptop are kept here/)
    // It goes on that way, also after a restart.
    await lab.done('server', 'kernel', 'restart')
    await lab.done('laptop', 'run', '--', 'echo', secret)
    const height = await heightOf(laptop, 'laptop')
    await until(async () => (await heightOf(server, 'laptop')) >= height)
    const { stdout } = await lab.weaver('server', 'chain', 'log', '--lane', 'laptop', '-n', '100')
    assert.match(stdout, /payload not kept here/)
    assert(!stdout.includes(secret))
    // A proof with the payload, while somebody has it.
    const file = join(lab.folder, 'proof.json')
    const prove = ['chain', 'prove', '1.0@laptop', '-o', file]
    await until(async () => (await lab.weaver('server', ...prove)).code === 0)
    assert.notEqual(JSON.parse(await readFile(file, 'utf8')).payload, null)
    await lab.done('nobody', 'verify', file)
    const exported = await lab.weaver('server', 'chain', 'export', '-o', join(lab.folder, 'all'))
    assert.equal(exported.code, 1)
    assert.match(exported.stderr, /only its headers are kept here/)
    // And when nobody is there: who has it, and what can be proven all the same.
    await lab.done('laptop', 'kernel', 'stop')
    await until(async () => {
      const { code, stderr } = await lab.weaver('server', ...prove)
      return code === 1 && /no member that is connected has it; its owner is laptop/.test(stderr)
    })
    await lab.done('server', ...prove, '--no-payload')
    const lacking = await lab.weaver('server', 'chain', 'keep', '--all')
    assert.equal(lacking.code, 1)
    assert.match(lacking.stdout, /of laptop older payloads are lacking/)
    assert.equal((await laneOf(server, 'laptop'))?.kept, 'filling')
    await lab.start('laptop')
    await until(async () => (await lab.weaver('server', 'chain', 'repair')).code === 0)
    await until(async () => (await laneOf(server, 'laptop'))?.kept === 'whole')
    const whole = await lab.weaver('server', 'chain', 'log', '--lane', 'laptop', '-n', '100')
    assert(whole.stdout.includes(secret))
    assert.deepEqual((await server.client.verifyChain(null, true)).problems, [])
  })
})

async function mentions({ home }: KernelHandle, text: string): Promise<boolean> {
  const folder = join(home, 'chain')
  for (const name of await readdir(folder)) {
    if (name.endsWith('.lane') && (await readFile(join(folder, name))).includes(text)) return true
  }
  return false
}
