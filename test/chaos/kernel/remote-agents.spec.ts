// Goal: who starts an agent of another node again is decided about all that would run, as who starts it first is: a
// member gets nothing started that it may not start (attacks 6 and 7).

import assert from 'node:assert/strict'
import type { Agent } from '../../../node/api/index.ts'
import { Lab, until } from './lab.ts'

describe('chaos: agents of another node', function () {
  this.timeout(60_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    await lab.pair()
  })
  after(() => lab.close())

  async function spawn(by: string, name: string, ...flags: readonly string[]): Promise<void> {
    const words = ['agent', 'spawn', '--runtime', 'custom', '--name', name, ...flags]
    await lab.done(by, ...words, '--', 'sleep', '1000')
  }

  async function agent(name: string): Promise<Agent> {
    const found: Agent = JSON.parse(await lab.done('server', 'agent', 'inspect', name, '--json'))
    return found
  }

  it('a member restarts what it may start, contained as it is', async () => {
    await spawn('laptop', 'plain', '--on', 'server')
    await lab.done('laptop', 'agent', 'restart', 'plain')
    await until(async () => (await agent('plain')).state === 'running')
    assert.equal((await agent('plain')).containment, 'os')
  })

  it('a member restarts nothing with a grant, a role or no containment that it may not give', async () => {
    await spawn('server', 'reads', '--grant', 'fs.read:/opt')
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'reads'), /read files, path:\/opt/)
    await spawn('server', 'codes', '--role', 'coder')
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'codes'), /may not spawn an agent/)
    await spawn('server', 'free', '--containment', 'none')
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'free'), /without containment/)
    for (const name of ['reads', 'codes', 'free'])
      assert.equal((await agent(name)).state, 'running')
  })

  it('a member that may start what is not contained is not given the grants of others by that', async () => {
    const permit =
      'permit (principal is Weft::Node, action == Weft::Action::"process.uncontained", resource);'
    await lab.done('server', 'policy', 'add', permit)
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'reads'), /read files, path:\/opt/)
    assert.match(await lab.denied('laptop', 'agent', 'restart', 'codes'), /may not spawn an agent/)
  })
})
