// Goal: bad input of every kind gets one clear line, the right exit code, and changes nothing; a stranger
// and a copied home get nowhere.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { request } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { cp, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stranger as newStranger } from './stranger.ts'
import { Lab, LOOPBACK, until } from './lab.ts'
import type { CommandResult } from './lab.ts'

/** One line for people, the code, and the exit code that goes with it. */
function refused(result: CommandResult, code: number, pattern: RegExp): void {
  assert.equal(result.code, code, `${result.stderr}${result.stdout}`)
  // What a slow machine's user is told meanwhile is no part of the refusal.
  const lines = result.stderr
    .trim()
    .split('\n')
    .filter((line) => !line.endsWith(' ...'))
  assert.equal(lines.length, 1, `one line, not:\n${result.stderr}`)
  assert.match(lines[0] ?? '', pattern)
}

describe('chaos: what is refused', function () {
  this.timeout(120_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    await lab.pair()
  })
  after(() => lab.close())

  it('a name that every object has is only a name, and __proto__ is none (24)', async () => {
    const script = 'env | grep -c constructor'
    const named = ['--on', 'laptop', '--grant', 'env:constructor', '--', 'sh', '-c', script]
    const { stdout } = await lab.weaver('laptop', 'run', ...named)
    assert.equal(stdout, '0\n', 'it is no variable of the kernel')
    refused(
      await lab.weaver('laptop', 'run', '--label', '__proto__=x', '--', 'true'),
      125,
      /__proto__/
    )
    refused(await lab.weaver('laptop', 'mesh', 'label', 'laptop', '__proto__=x'), 2, /__proto__/)
  })

  it('JSON that is nested without end is refused, and is no defect of the kernel', async () => {
    const depth = 200_000
    const body = `{"input":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const socketPath = join(lab.homeOf('laptop'), 'run', 'kernel.sock')
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const options = { socketPath, path: '/api/v1/tools/hash/call', method: 'POST' }
    const asked = request(options, (response) => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(`${response.statusCode} ${text}`))
    })
    asked.on('error', reject)
    asked.end(body)
    assert.match(await promise, /^400 .*nested too deeply/)
    assert.doesNotMatch(await lab.done('laptop', 'kernel', 'logs'), /RangeError|defect/)
  })

  it('a command that does not exist exits with 127, one that is no program with 126', async () => {
    const missing = await lab.weaver('laptop', 'run', '--on', 'server', '--', 'no-such-command')
    refused(missing, 127, /no-such-command/)
    const folder = await lab.weaver('laptop', 'run', '--on', 'server', '--', '/tmp')
    refused(folder, 126, /\/tmp/)
  })

  it('a node that is no member is named, and nothing is submitted', async () => {
    const { stdout: before } = await lab.weaver('laptop', 'task', 'list', '--json')
    const result = await lab.weaver('laptop', 'run', '--on', 'nowhere', '--', 'true')
    refused(result, 125, /nowhere/)
    assert.equal((await lab.weaver('laptop', 'task', 'list', '--json')).stdout, before)
  })

  it('a damaged invite, a used one, and one of another mesh are told apart', async () => {
    const invite = await lab.invite('laptop')
    const damaged = `${invite.slice(0, 40)}${invite[40] === 'A' ? 'B' : 'A'}${invite.slice(41)}`
    await lab.start('solo')
    refused(await lab.weaver('solo', 'mesh', 'join', damaged), 1, /missing or changed/i)
    refused(await lab.weaver('solo', 'mesh', 'join', 'hello'), 1, /invite/i)
    const first = await lab.start('third', '--join', invite)
    assert.equal((await first.client.status()).mesh.members, 3)
    refused(await lab.weaver('solo', 'mesh', 'join', invite), 1, /used/i)
    // The server is in a mesh with others: it cannot leave that one by joining another.
    refused(await lab.weaver('server', 'mesh', 'join', await lab.invite('solo')), 1, /is in mesh/)
    await lab.done('solo', 'mesh', 'status', '--json')
  })

  it('an expired invite is told as such', async () => {
    const { stdout } = await lab.weaver('laptop', 'mesh', 'invite', '--ttl', '1s', '--json')
    const { invite, expiresAt }: { invite: string; expiresAt: number } = JSON.parse(stdout)
    await until(() => Date.now() > expiresAt)
    refused(await lab.weaver('solo', 'mesh', 'join', invite), 1, /expired/i)
  })

  it('a second kernel on one home is refused, and the first one goes on', async () => {
    const again = await lab.weaver('laptop', 'kernel', 'start', '--listen', LOOPBACK)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /pid \d+/)
    await lab.done('laptop', 'kernel', 'status')
  })

  it('a port in use is named', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    const listen = `/ip4/127.0.0.1/tcp/${port}`
    const result = await lab.weaver('busy', 'kernel', 'start', '--listen', listen)
    server.close()
    refused(result, 1, new RegExp(String(port)))
    await lab.start('busy')
  })

  it('a home of a newer version is refused and left as it is', async () => {
    const home = lab.homeOf('newer')
    await mkdir(home)
    await writeFile(join(home, 'version'), '99\n')
    refused(await lab.weaver('newer', 'kernel', 'start', '--listen', LOOPBACK), 1, /99/)
    assert.deepEqual(await readdir(home), ['version'])
  })

  it('a full disk at start is told, and nothing is left behind', async function () {
    const home = lab.homeOf('full')
    await mkdir(home)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', home], { stdio: 'pipe' })
    } catch (error) {
      process.stderr.write(`skipped: this user may not mount: ${String(error)}\n`)
      this.skip()
    }
    try {
      const result = await lab.weaver('full', 'kernel', 'start', '--listen', LOOPBACK)
      refused(result, 1, /disk is full|no space/i)
    } finally {
      execFileSync('umount', ['-l', home])
      await rm(home, { recursive: true, force: true })
    }
  })

  it('a copied home is noticed and refused by the mesh, and its owner is told', async () => {
    const copy = lab.homeOf('copy')
    // As a copy taken from a running machine: the store's lock does not come along.
    await cp(lab.homeOf('server'), copy, {
      recursive: true,
      filter: (path) => !/\/run(\/|$)|\/store\/LOCK$/.test(path)
    })
    await lab.done('copy', 'kernel', 'start', '--listen', LOOPBACK)
    await until(async () => {
      const { stdout } = await lab.weaver('copy', 'kernel', 'status', '--json')
      return /"refused": ?"/.test(stdout)
    })
    const { stdout } = await lab.weaver(
      'laptop',
      'chain',
      'log',
      '--kind',
      'mesh.refused',
      '--json'
    )
    assert.match(stdout, /MESH_DUPLICATE_IDENTITY/)
    const peers = await lab.weaver('laptop', 'mesh', 'peers', '--json')
    assert.match(peers.stdout, /"name": ?"server"[\s\S]*?"alive"/)
  })

  it('a stranger with a valid libp2p stack gets nothing but a closed connection', async () => {
    const { client } = await lab.start('quiet')
    const { listen } = await client.status()
    const stranger = await newStranger()
    try {
      const outcome = await stranger.knock(listen)
      assert.deepEqual(outcome, { streams: 0, bytes: 0 })
    } finally {
      await stranger.stop()
    }
  })

  it('a changed byte in a stored block, own or replica, makes verify fail and name the place', async () => {
    const folder = join(lab.homeOf('laptop'), 'chain')
    const names = (await readdir(folder)).filter((name) => name.endsWith('.lane'))
    assert(names.length >= 2, 'its own lane and the replica of another')
    for (const name of names) {
      const path = join(folder, name)
      const file = await open(path, 'r+')
      const { size } = await file.stat()
      for (const at of [Math.floor(size / 3), Math.floor(size / 2)]) {
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at)
        await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at)
        const { code, stdout } = await lab.weaver('laptop', 'chain', 'verify', '--json')
        await file.write(buffer, 0, 1, at)
        const report: { ok: boolean; problems: { lane: string; height: number }[] } =
          JSON.parse(stdout)
        assert.equal(code, 1)
        assert.equal(report.ok, false)
        assert.match(report.problems[0]?.lane ?? '', /^[a-z]+$/)
        assert(Number.isInteger(report.problems[0]?.height), stdout)
      }
      await file.close()
    }
    await lab.done('laptop', 'chain', 'verify')
  })
})
