import assert from 'node:assert/strict'
import fc from 'fast-check'
import { z } from 'zod'
import { parseGrant } from '../../../../core/index.ts'
import { isNearAddress, isPublicAddress } from '../../../../node/egress/addresses.ts'
import { destinationOf, grantFor, openAddresses } from '../../../../node/egress/destination.ts'
import {
  ENDED_RECORDED_MAX,
  HEAD_BYTES_MAX,
  HOSTS_RECORDED_MAX,
  REFUSALS_RECORDED_MAX
} from '../../../../node/egress/limits.ts'
import { readRequest } from '../../../../node/egress/request.ts'
import { Traffic } from '../../../../node/egress/traffic.ts'

const told = z.object({
  destinations: z.array(z.object({ connections: z.number() })),
  refused: z.array(z.object({ count: z.number() })),
  ended: z.array(z.unknown()),
  endedMore: z.number()
})

function ask(text: string): ReturnType<typeof readRequest> {
  return readRequest(Buffer.from(text, 'latin1'), false)
}

describe('egress: addresses', () => {
  const closed = [
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.127.255.255',
    '100.100.100.200',
    '192.0.0.192',
    '224.0.0.1',
    '239.255.255.250',
    '255.255.255.255',
    '198.18.0.1',
    '168.63.129.16',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:169.254.169.254',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:a00:1::1',
    '2002:a9fe:a9fe::',
    '2001:0:1::1',
    '2001:db8::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '100::1',
    '3fff::1',
    '',
    'localhost',
    '1.2.3',
    '1.2.3.4.5',
    '0x7f.1',
    '4000::1'
  ]
  for (const address of closed) {
    it(`does not take '${address}' for the public network`, () => {
      assert.equal(isPublicAddress(address), false)
    })
  }

  it('takes public addresses for public', () => {
    for (const address of [
      '1.1.1.1',
      '8.8.8.8',
      '172.32.0.1',
      '100.128.0.1',
      '192.0.1.1',
      '223.255.255.255'
    ]) {
      assert.equal(isPublicAddress(address), true, address)
    }
    for (const address of [
      '2606:4700::1111',
      '::ffff:8.8.8.8',
      '64:ff9b::8.8.8.8',
      '2002:808:808::1'
    ]) {
      assert.equal(isPublicAddress(address), true, address)
    }
  })

  it('judges the address in a mapped, NAT64 or 6to4 address as that address', () => {
    const address = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255))
    fc.assert(
      fc.property(address, ([a, b, c, d]) => {
        const plain = isPublicAddress(`${a}.${b}.${c}.${d}`)
        const hex = [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':')
        assert.equal(isPublicAddress(`::ffff:${hex}`), plain)
        assert.equal(isPublicAddress(`64:ff9b::${hex}`), plain)
        assert.equal(isPublicAddress(`2002:${hex}::5`), plain)
      })
    )
  })
})

describe('egress: this machine and its neighbours', () => {
  const own = [
    { address: '203.0.114.7', prefixLength: 24 },
    { address: '198.18.0.2', prefixLength: 1 },
    { address: '2a01:4f8:1:2::3', prefixLength: 64 },
    { address: 'fe80::1%eth0', prefixLength: 64 },
    { address: '2a01:4f9::9', prefixLength: 128 }
  ]

  it('its own addresses and those beside it are near, in every spelling (D2)', () => {
    const near = [
      '203.0.114.7',
      '203.0.114.200',
      '::ffff:203.0.114.7',
      '64:ff9b::cb00:7207',
      '2002:cb00:7207::1'
    ]
    const near6 = [
      '2a01:4f8:1:2::3',
      '2a01:4f8:1:2:ffff::1',
      '2a01:04f8:0001:0002::99',
      '2a01:4f9::9'
    ]
    for (const address of [...near, ...near6]) {
      assert.equal(isNearAddress(address, own), true, address)
      const wanted = { host: 'rebound.example', port: 443 }
      assert.deepEqual(
        openAddresses(wanted, [address], [parseGrant('net:*:443')], own),
        [],
        address
      )
    }
  })

  it('others are not, and no tunnel makes half of the internet its neighbour', () => {
    for (const address of [
      '203.0.115.7',
      '8.8.8.8',
      '2a01:4f8:1:3::3',
      '2a01:4f9::8',
      '200.1.1.1'
    ]) {
      assert.equal(isNearAddress(address, own), false, address)
    }
  })

  it('is reached where a grant names that very address', () => {
    const wanted = { host: '203.0.114.7', port: 443 }
    const grants = [parseGrant('net:203.0.114.7:443')]
    assert.deepEqual(openAddresses(wanted, ['203.0.114.7'], grants, own), ['203.0.114.7'])
  })
})

describe('egress: destinations', () => {
  it('lets out to what a grant names, and nowhere else (D1)', () => {
    const grants = [parseGrant('net:example.com:443'), parseGrant('net:*.example.org:443')]
    const check = (host: string, port: number): boolean => {
      const wanted = destinationOf(host, port)
      return wanted !== null && grantFor(wanted, grants) !== null
    }
    assert.equal(check('example.com', 443), true)
    assert.equal(check('EXAMPLE.com.', 443), true)
    assert.equal(check('packages.example.org', 443), true)
    for (const host of [
      'example.com.evil.net',
      'evil-example.com',
      'xexample.com',
      'example.org.evil',
      '*',
      ''
    ]) {
      assert.equal(check(host, 443), false, host)
    }
    assert.equal(check('example.com', 80), false)
    for (const port of [0, -1, 65_536, 1.5, Number.NaN])
      assert.equal(check('example.com', port), false)
  })

  it('never connects a name to an inside address, whatever the grant of the name (D2)', () => {
    for (const text of ['net:rebind.example:80', 'net:*:80', 'net:*:*']) {
      const grants = [parseGrant(text)]
      const wanted = { host: 'rebind.example', port: 80 }
      const addresses = ['127.0.0.1', '::1', '169.254.169.254', '::ffff:10.0.0.1']
      assert.deepEqual(openAddresses(wanted, addresses, grants), [])
      assert.deepEqual(openAddresses(wanted, ['10.0.0.1', '8.8.8.8'], grants), ['8.8.8.8'])
    }
  })

  it('connects an inside address that a grant names literally, at that port (D2)', () => {
    const grants = [parseGrant('net:127.0.0.1:8080')]
    const wanted = { host: '127.0.0.1', port: 8080 }
    assert.deepEqual(openAddresses(wanted, ['127.0.0.1'], grants), ['127.0.0.1'])
    const named = { host: 'rebind.example', port: 8080 }
    assert.deepEqual(openAddresses(named, ['127.0.0.1'], grants), [])
  })
})

describe('egress: requests', () => {
  it('reads CONNECT, an absolute URL and SOCKS 5', () => {
    const tunnel = ask('CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\nrest')
    assert.ok(tunnel.kind === 'open')
    assert.deepEqual(
      [tunnel.host, tunnel.port, tunnel.first.toString()],
      ['example.com', 443, 'rest']
    )
    const plain = ask(
      'GET http://a.example:81/x?y HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: s\r\nA: b\r\n\r\n'
    )
    assert.ok(plain.kind === 'open')
    assert.equal(
      plain.first.toString(),
      'GET /x?y HTTP/1.1\r\nHost: a.example:81\r\nA: b\r\nConnection: close\r\n\r\n'
    )
    const name = Buffer.from('b.example')
    const socks = Buffer.concat([
      Buffer.from([5, 1, 0, 3, name.length]),
      name,
      Buffer.from([1, 187, 9])
    ])
    const request = readRequest(socks, true)
    assert.ok(request.kind === 'open')
    assert.deepEqual([request.host, request.port, [...request.first]], ['b.example', 443, [9]])
  })

  it('refuses what could be read in two ways', () => {
    for (const text of [
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET http://user@a.example/ HTTP/1.1\r\n\r\n',
      'GET http://a.example@b.example/ HTTP/1.1\r\n\r\n',
      'GET http://a.example/ HTTP/1.1\r\nX: y\nHost: evil\r\n\r\n',
      'GET http://a.example/ HTTP/1.1\r\nHost : evil\r\n\r\n',
      'GET http://a.example/ HTTP/1.1\r\n folded: x\r\n\r\n',
      'GET https://a.example/ HTTP/1.1\r\n\r\n',
      'CONNECT a.example HTTP/1.1\r\n\r\n',
      'CONNECT a.example:443:80 HTTP/1.1\r\n\r\n',
      `GET http://a.example/ HTTP/1.1\r\nX: ${'y'.repeat(HEAD_BYTES_MAX)}\r\n\r\n`,
      'y'.repeat(HEAD_BYTES_MAX + 1),
      '\u0004\u0001'.padEnd(30, '\r\n\r\n')
    ]) {
      assert.equal(ask(text).kind, 'bad', text.slice(0, 60))
    }
  })

  it('reads any bytes, in any pieces, without throwing, and waits within its bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, isGreeted) => {
        assert.ok(readRequest(Buffer.from(bytes), isGreeted).kind !== undefined)
      })
    )
    const whole = 'CONNECT example.com:443 HTTP/1.1\r\n\r\n'
    for (let end = 0; end < whole.length; end += 1)
      assert.equal(ask(whole.slice(0, end)).kind, 'more')
  })
})

describe('egress: the record', () => {
  it('tells a destination once, then totals of what changed', () => {
    const traffic = new Traffic()
    const { row, entry } = traffic.opened('a.example', 443, '1.1.1.1')
    assert.equal(entry?.kind, 'net.connected')
    assert.equal(traffic.opened('a.example', 443, '1.1.1.1').entry, null)
    traffic.moved(row, { sentBytes: 5, receivedBytes: 0 })
    traffic.ended(row, 12, { sentBytes: 5, receivedBytes: 0 })
    traffic.failed(row)
    const place = { host: 'a.example', port: 443, address: '1.1.1.1' }
    assert.deepEqual(traffic.changed('process:7'), {
      kind: 'net.moved',
      subject: 'process:7',
      payload: {
        destinations: [{ ...place, connections: 2, failed: 1, sentBytes: 5, receivedBytes: 0 }],
        refused: [],
        ended: [{ ...place, durationMs: 12, sentBytes: 5, receivedBytes: 0 }],
        endedMore: 0
      }
    })
    assert.equal(traffic.changed('process:7'), null)
  })

  it('counts every connection and refusal of a flood, in bounded entries (T1, T2)', () => {
    const traffic = new Traffic()
    const count = 5000
    let written = 0
    for (let at = 0; at < count; at += 1) {
      const { row, entry } = traffic.opened('a.example', (at % 1000) + 1, '1.1.1.1')
      traffic.ended(row, 1, { sentBytes: 1, receivedBytes: 1 })
      if (entry !== null) written += 1
      if (traffic.refused('b.example', (at % 1000) + 1, 'no grant') !== null) written += 1
    }
    // And one each for all others.
    assert.equal(written, HOSTS_RECORDED_MAX + 1 + REFUSALS_RECORDED_MAX + 1)
    const payload = told.parse(traffic.changed('process:7')?.payload)
    assert.equal(
      payload.destinations.reduce((sum, { connections }) => sum + connections, 0),
      count
    )
    assert.equal(
      payload.refused.reduce((sum, row) => sum + row.count, 0),
      count
    )
    assert.equal(payload.ended.length, ENDED_RECORDED_MAX)
    assert.equal(payload.ended.length + payload.endedMore, count)
    assert.ok(JSON.stringify(payload).length < 64 * 1024)
  })
})
