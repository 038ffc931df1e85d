// The proxy on real sockets: attack 16 (inside addresses, rebinding), half-close, backpressure, the record.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseGrant, pid } from '../../../core/index.ts'
import type { Cbor } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { EgressProxies } from '../../../node/egress/index.ts'
import { silentLog } from '../../doubles/silent-log.ts'

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
  const names = new Map<string, readonly string[]>()

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'weft-net-'))
    recorded = []
    isLaneBroken = false
    names.clear()
    // Answers what it got, once the other side has ended.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      const chunks: Buffer[] = []
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
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
    proxies = new EgressProxies(
      { clock: systemClock, ledger, log: silentLog, resolve },
      { runDirectory: root }
    )
  })
  afterEach(async () => {
    await proxies.stop()
    await proxies.stop()
    server.close()
    rmSync(root, { recursive: true, force: true })
  })

  function way(...grants: readonly string[]): string {
    return proxies.open(pid(7), grants.map(parseGrant))
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

  it('relays a tunnel both ways, half-closed, and records it before and after', async () => {
    const path = way(`net:127.0.0.1:${port}`)
    const answer = await said(path, `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\nhello`)
    assert.equal(answer, 'HTTP/1.1 200 Connection established\r\n\r\ngot hello')
    assert.equal(recorded[0]?.kind, 'net.connected')
    assert.equal(recorded[0].actor, 'process:7')
    await proxies.close(pid(7))
    const total = recorded.at(-1)?.payload
    assert.deepEqual(total, {
      host: '127.0.0.1',
      port,
      address: '127.0.0.1',
      connections: 1,
      sentBytes: 5,
      receivedBytes: 9
    })
  })

  it('forwards plain HTTP to the host of the URL, not of the header', async () => {
    const path = way(`net:127.0.0.1:${port}`)
    const answer = await said(path, `GET http://127.0.0.1:${port}/x HTTP/1.1\r\nHost: evil\r\n\r\n`)
    assert.equal(
      answer,
      `got GET /x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`
    )
  })

  it('speaks SOCKS 5, also in one breath', async () => {
    const path = way(`net:127.0.0.1:${port}`)
    const request = Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255])
    const answer = await said(path, Buffer.concat([request, Buffer.from('hi')]))
    assert.equal(
      answer,
      '\u0005\u0000\u0005\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000got hi'
    )
  })

  it('refuses another port, another host and another spelling of this machine', async () => {
    const path = way('net:public.example:443', `net:127.0.0.1:${port + 1}`)
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
    const path = way(`net:rebind.example:${port}`, `net:*:${port}`)
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
      way(`net:127.0.0.1:${port}`),
      `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\nx`
    )
    assert.match(answer, /^HTTP\/1.1 403/)
  })

  it('holds a fast sender back while the other side does not read', async () => {
    server.removeAllListeners('connection')
    let outside: Socket | null = null
    server.on('connection', (socket) => {
      outside = socket
      socket.pause()
    })
    const path = way(`net:127.0.0.1:${port}`)
    const socket = connect(path)
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
    await once(socket, 'data')
    const before = process.memoryUsage().arrayBuffers
    const chunk = Buffer.alloc(1024 * 1024)
    // 256 MB wait in the sender alone: what the proxy took of them is a window.
    for (let count = 0; count < 256; count += 1) socket.write(chunk)
    for (let turn = 0; turn < 200; turn += 1) await systemClock.sleep(1 as never)
    assert.ok(socket.writableLength > 200 * chunk.length, `${socket.writableLength} bytes are left`)
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * chunk.length)
    socket.destroy()
    ;(outside as Socket | null)?.destroy()
  })

  it('ends connections when the process ends', async () => {
    const path = way(`net:127.0.0.1:${port}`)
    const socket = connect(path)
    socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)
    await once(socket, 'data')
    const closed = once(socket, 'close')
    await proxies.close(pid(7))
    await closed
    await assert.rejects(once(connect(path), 'connect'))
  })
})
