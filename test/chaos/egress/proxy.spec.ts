// The proxy on real sockets: attacks 15 (secrets in clear) and 16 (inside addresses, rebinding), half-close,
// backpressure, bounds, the record. Time is virtual; that something was heard is known by a later exchange over the same
// carrier, which keeps the order.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import process from 'node:process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatGrant, millis, parseGrant, pid, utf8 } from '../../../core/index.ts'
import type { Cbor } from '../../../core/index.ts'
import { Redactor, secretPatterns } from '../../../governance/index.ts'
import { EgressProxies } from '../../../node/egress/index.ts'
import {
  CONNECT_WAIT_MS,
  CONNECTIONS_MAX,
  HEAD_WAIT_MS,
  IDLE_MS,
  LIFE_MS,
  LOOK_MS,
  TELL_FIRST_MS
} from '../../../node/egress/limits.ts'
import { silentLog } from '../../doubles/silent-log.ts'
import { VirtualClock } from '../../sim/world/virtual-clock.ts'
import { residentBytes } from '../kernel/lab.ts'

interface Recorded {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly payload: Cbor
}

describe('the way out of a contained process', () => {
  let root = ''
  let server: Server
  let port = 0
  let proxies: EgressProxies
  let recorded: Recorded[] = []
  let isLaneBroken = false
  let clock = new VirtualClock()
  /** What the server got. */
  let got: Buffer[] = []
  let isEcho = false
  const names = new Map<string, readonly string[]>()

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'weft-net-'))
    recorded = []
    isLaneBroken = false
    isEcho = false
    got = []
    clock = new VirtualClock()
    names.clear()
    // Answers what it got, once the other side has ended; an echo at once.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => {
        got.push(chunk)
        if (isEcho) socket.write(chunk)
        else chunks.push(chunk)
      })
      socket.on('end', () => socket.end(Buffer.concat([Buffer.from('got '), ...chunks])))
      socket.on('error', () => socket.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    const ledger = {
      record: (drafts: readonly Recorded[]): Promise<void> => {
        if (isLaneBroken) return Promise.reject(new Error('disk full'))
        recorded.push(...drafts)
        return Promise.resolve()
      }
    }
    const resolve = (host: string): Promise<readonly string[]> =>
      Promise.resolve(names.get(host) ?? [host])
    proxies = new EgressProxies({ clock, ledger, log: silentLog, resolve }, { runDirectory: root })
  })
  afterEach(async () => {
    await proxies.stop()
    await proxies.stop()
    server.close()
    rmSync(root, { recursive: true, force: true })
  })

  async function way(...grants: readonly string[]): Promise<string> {
    return proxies.open(
      pid(7),
      grants.map((text) => parseGrant(text))
    )
  }

  async function said(path: string, text: string | Buffer): Promise<string> {
    const socket = connect({ path, allowHalfOpen: true })
    socket.end(text)
    return all(socket)
  }

  async function all(socket: Socket): Promise<string> {
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString('latin1')
  }

  /** An open tunnel to the server. */
  async function tunnel(path: string): Promise<Socket> {
    const socket = connect(path)
    socket.on('error', () => {})
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1.1 200/)
    return socket
  }

  async function echoed(socket: Socket, text: string): Promise<void> {
    const answer = once(socket, 'data')
    socket.write(text)
    assert.equal(String((await answer)[0]), text)
  }

  /** Whatever the carrier said before has been heard when this resolves. */
  async function round(path: string): Promise<void> {
    assert.match(await said(path, 'CONNECT nowhere.example:1 HTTP/1.1\r\n\r\n'), /^HTTP\/1.1 403/)
  }

  function childrenOfThis(): readonly number[] {
    const text = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
    return text.trim().split(' ').map(Number)
  }

  it('relays a tunnel both ways, half-closed, and records it before and after', async () => {
    const path = await way(`net:127.0.0.1:${port}`)
    const answer = await said(path, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\nhello`)
    assert.equal(answer, 'HTTP/1.1 200 Connection established\r\n\r\ngot hello')
    assert.equal(recorded[0]?.kind, 'net.connected')
    assert.equal(recorded[0].actor, 'process:7')
    await proxies.close(pid(7))
    const place = { host: '127.0.0.1', port, address: '127.0.0.1' }
    assert.deepEqual(recorded[0].payload, place)
    const bytes = { sentBytes: 5, receivedBytes: 9 }
    assert.deepEqual(recorded.at(-1), {
      kind: 'net.moved',
      actor: 'process:7',
      subject: 'process:7',
      payload: {
        destinations: [{ ...place, connections: 1, failed: 0, ...bytes }],
        refused: [],
        ended: [{ ...place, durationMs: 0, ...bytes }],
        endedMore: 0
      }
    })
  })

  it('forwards plain HTTP to the host of the URL, not of the header', async () => {
    const path = await way(`net:127.0.0.1:${port}`)
    const answer = await said(path, `GET http://127.0.0.1:${port}/x HTTP/1.1\r\nHost: evil\r\n\r\n`)
    assert.equal(
      answer,
      `got GET /x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`
    )
  })

  it('speaks SOCKS 5, also in one breath', async () => {
    const path = await way(`net:127.0.0.1:${port}`)
    const request = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255])
    const answer = await said(path, Buffer.concat([request, Buffer.from('hi')]))
    assert.equal(
      answer,
      '\u0005\u0000\u0005\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000got hi'
    )
  })

  it('refuses another port, another host and another spelling of this machine', async () => {
    const path = await way('net:public.example:443', `net:127.0.0.1:${port + 1}`)
    names.set('2130706433', ['127.0.0.1'])
    for (const host of [
      '127.0.0.1',
      'localhost',
      '2130706433',
      '0x7f.1',
      '[::ffff:127.0.0.1]',
      '[::1]',
      '0'
    ]) {
      const answer = await said(path, `CONNECT ${host}:${port} HTTP/1.1\r\n\r\n`)
      assert.match(answer, /^HTTP\/1.1 403/, host)
    }
    assert.ok(recorded.length > 0)
    assert.ok(recorded.every((entry) => entry.kind === 'net.refused'))
  })

  it('refuses a granted name that leads inside, also the second time it is asked (attack 16)', async () => {
    const path = await way(`net:rebind.example:${port}`, `net:*:${port}`)
    for (const address of [
      '127.0.0.1',
      '::1',
      '169.254.169.254',
      '10.0.0.1',
      '::ffff:127.0.0.1',
      '64:ff9b::7f00:1'
    ]) {
      names.set('rebind.example', [address])
      const answer = await said(path, `CONNECT rebind.example:${port} HTTP/1.1\r\n\r\n`)
      assert.match(answer, /^HTTP\/1.1 403/, address)
    }
    assert.ok(recorded.every((entry) => entry.kind === 'net.refused'))
  })

  it('lets nothing out that cannot be recorded', async () => {
    isLaneBroken = true
    const answer = await said(
      await way(`net:127.0.0.1:${port}`),
      `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\nx`
    )
    assert.match(answer, /^HTTP\/1.1 403/)
  })

  it('holds a fast sender back while the other side does not read', async () => {
    server.removeAllListeners('connection')
    const connected = once(server, 'connection')
    server.on('connection', (socket) => {
      socket.pause()
    })
    const path = await way(`net:127.0.0.1:${port}`)
    const socket = await tunnel(path)
    const [outside] = await connected
    const chunk = Buffer.alloc(1024 * 1024)
    const [carrier = 0] = childrenOfThis()
    const before = await residentBytes(carrier)
    // 256 MB wait in the sender alone: what the proxy took of them is a window.
    for (let count = 0; count < 256; count += 1) socket.write(chunk)
    for (let turn = 0; turn < 50; turn += 1) await round(path)
    assert.ok(socket.writableLength > 200 * chunk.length, `${socket.writableLength} bytes are left`)
    assert.ok((await residentBytes(carrier)) - before < 8 * chunk.length)
    socket.destroy()
    ;(outside as Socket).destroy()
  })

  it('ends a connection on which nothing has passed for long, and no other', async () => {
    isEcho = true
    const path = await way(`net:127.0.0.1:${port}`)
    const socket = await tunnel(path)
    await echoed(socket, 'a')
    await round(path)
    clock.advanceTo(millis(clock.now() + LOOK_MS)) // It is seen that something moved.
    await round(path)
    clock.advanceTo(millis(clock.now() + IDLE_MS - 1))
    await round(path)
    await echoed(socket, 'b')
    await round(path)
    clock.advanceTo(millis(clock.now() + LOOK_MS))
    await round(path)
    const closed = once(socket, 'close')
    clock.advanceTo(millis(clock.now() + IDLE_MS))
    await closed
  })

  it('ends a connection that lasts too long, however busy it is', async () => {
    isEcho = true
    const path = await way(`net:127.0.0.1:${port}`)
    const [socket] = [await tunnel(path)]
    await echoed(socket, 'a')
    await round(path)
    clock.advanceTo(millis(clock.now() + LIFE_MS - 1))
    await round(path)
    await echoed(socket, 'b')
    await round(path)
    const closed = once(socket, 'close')
    clock.advanceTo(millis(clock.now() + LOOK_MS))
    await closed
  })

  it('ends a client that does not say where to, and one whose host does not resolve', async () => {
    const path = await way(`net:127.0.0.1:${port}`, `net:slow.example:${port}`)
    const silent = connect(path)
    silent.write('CONNECT 127')
    await once(silent, 'connect')
    await round(path)
    const closed = once(silent.resume(), 'close')
    clock.advanceTo(millis(clock.now() + HEAD_WAIT_MS))
    await closed

    const asked = Promise.withResolvers<void>()
    await proxies.stop()
    proxies = new EgressProxies(
      {
        clock,
        ledger: { record: () => Promise.resolve() },
        log: silentLog,
        resolve: () => {
          asked.resolve()
          return new Promise(() => {})
        }
      },
      { runDirectory: mkdtempSync(join(root, 'slow-')) }
    )
    const slow = connect(await way(`net:slow.example:${port}`)).resume()
    slow.write(`CONNECT slow.example:${port} HTTP/1.1\r\n\r\n`)
    await asked.promise
    const ended = once(slow, 'close')
    clock.advanceTo(millis(clock.now() + CONNECT_WAIT_MS))
    await ended
  })

  it('lets the connection after the last one wait until there is room', async () => {
    isEcho = true
    const path = await way(`net:127.0.0.1:${port}`)
    const open = await Promise.all(Array.from({ length: CONNECTIONS_MAX }, () => tunnel(path)))
    let isIn = false
    const waiting = tunnel(path).then((socket) => {
      isIn = true
      return socket
    })
    for (const socket of open.slice(0, 8)) await echoed(socket, 'x')
    assert.equal(isIn, false)
    open[0]?.destroy()
    await echoed(await waiting, 'in')
    await proxies.close(pid(7))
    const ended = recorded.at(-1)?.payload
    assert.match(JSON.stringify(ended), new RegExp(`"connections":${CONNECTIONS_MAX + 1},`))
  })

  it('tells in the record what goes on while it goes on, ever more rarely', async () => {
    isEcho = true
    const path = await way(`net:127.0.0.1:${port}`)
    const socket = await tunnel(path)
    const told: number[] = []
    for (let look = 0; look < 32; look += 1) {
      await echoed(socket, 'x')
      await round(path)
      clock.advanceTo(millis(clock.now() + LOOK_MS))
      await round(path)
      told.push(recorded.filter(({ kind }) => kind === 'net.moved').length)
    }
    // After 10 s, 30 s, 70 s, 150 s, 310 s.
    assert.equal(told[TELL_FIRST_MS / LOOK_MS - 1], 1)
    assert.deepEqual([told[1], told[2], told[5], told[6], told[31]], [1, 2, 2, 3, 5])
  })

  it('ends what a grant let out when it is taken back, and only that (E1)', async () => {
    isEcho = true
    names.set('other.example', ['127.0.0.1'])
    const other = createServer((socket) => socket.pipe(socket))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    const otherPort = (other.address() as AddressInfo).port
    const taken = `net:127.0.0.1:${port}`
    const path = await way(taken, `net:127.0.0.1:${otherPort}`)
    const socket = await tunnel(path)
    const kept = connect(path)
    kept.write(`CONNECT 127.0.0.1:${otherPort} HTTP/1.1\r\n\r\n`)
    await once(kept, 'data')
    const closed = once(socket, 'close')
    assert.equal(
      proxies.narrow(pid(7), (grant) => formatGrant(grant) !== taken),
      true
    )
    await closed
    assert.match(await said(path, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`), /^HTTP\/1.1 403/)
    await echoed(kept, 'still here')
    kept.destroy()
    other.close()
  })

  describe('of a process that holds a secret (attack 15)', () => {
    const SECRET = 'tok-3c1f9be2a77d40'
    const patterns = secretPatterns([utf8(SECRET)])
    const base64 = Buffer.from(`x:${SECRET}`).toString('base64')

    function wayOfHolder(): Promise<string> {
      const grants = [parseGrant(`net:127.0.0.1:${port}`), parseGrant('net:*.example:443')]
      return proxies.open(pid(7), grants, () => new Redactor(patterns))
    }

    function assertUnseen(): void {
      const text = Buffer.concat(got).toString('latin1')
      for (const part of [SECRET, SECRET.slice(0, 12), base64.slice(4, 20)]) {
        assert.ok(!text.includes(part), text)
      }
      const record = JSON.stringify(recorded)
      assert.ok(!record.includes(SECRET))
      assert.match(record, /it would send a secret in clear/)
    }

    const url = (): string => `http://127.0.0.1:${port}`
    for (const [what, request] of [
      ['in a path', () => `GET ${url()}/?t=${SECRET} HTTP/1.1\r\n\r\n`],
      ['in a header', () => `GET ${url()}/ HTTP/1.1\r\nA: Bearer ${SECRET}\r\n\r\n`],
      ['in base64', () => `GET ${url()}/ HTTP/1.1\r\nA: Basic ${base64}\r\n\r\n`],
      ['in a name', () => `CONNECT ${SECRET}.example:443 HTTP/1.1\r\n\r\n`],
      ['in a tunnel', () => `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\nhi ${SECRET}`]
    ] as const) {
      it(`sends none ${what}`, async () => {
        await said(await wayOfHolder(), request())
        await proxies.close(pid(7))
        assertUnseen()
      })
    }

    it('sends none that comes in two pieces', async () => {
      isEcho = true
      const socket = await tunnel(await wayOfHolder())
      await echoed(socket, 'clean')
      const closed = once(socket, 'close')
      socket.write(`x${SECRET.slice(0, 9)}`)
      await once(socket, 'data') // The `x` alone came through.
      socket.write(SECRET.slice(9))
      await closed
      await proxies.close(pid(7))
      assertUnseen()
    })

    it('sends everything else as it is', async () => {
      const bytes = Buffer.alloc(3_000_000)
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 7919) & 0xff
      const answer = await said(
        await wayOfHolder(),
        Buffer.concat([Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`), bytes])
      )
      assert.ok(Buffer.from(answer, 'latin1').subarray(-bytes.length).equals(bytes))
    })
  })

  it('has no way out any more when its carrier is killed, and says so in the record', async () => {
    const path = await way(`net:127.0.0.1:${port}`)
    const socket = await tunnel(path)
    const closed = once(socket, 'close')
    const [carrier = 0] = childrenOfThis()
    process.kill(carrier, 'SIGKILL')
    await closed
    const late = said(path, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
    assert.equal(await late.catch(() => ''), '')
    await proxies.close(pid(7))
    assert.equal(recorded.at(-1)?.kind, 'net.moved')
  })

  it('ends connections when the process ends', async () => {
    const path = await way(`net:127.0.0.1:${port}`)
    const socket = connect(path)
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
    await once(socket, 'data')
    const closed = once(socket, 'close')
    await proxies.close(pid(7))
    await closed
    await assert.rejects(once(connect(path), 'connect'))
  })
})
