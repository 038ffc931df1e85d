import assert from 'node:assert/strict'
import {
  circuitAddress,
  dialOrder,
  isBetterPath,
  pathKind,
  relayOf
} from '../../../../mesh/paths/path.ts'

const RELAY = '12D3KooWGQmMsLFFGTJmYZXWHHYmYQ5vD9jQjVhXrQJhVwqjz5zA'

describe('pathKind()', () => {
  for (const [address, kind] of [
    ['/ip4/192.168.1.2/tcp/1', 'lan'],
    ['/ip4/10.1.2.3/tcp/1/ws', 'lan'],
    ['/ip4/172.31.0.1/tcp/1', 'lan'],
    ['/ip4/127.0.0.1/tcp/1', 'lan'],
    ['/ip6/fe80::1/tcp/1', 'lan'],
    ['/ip6/::ffff:192.168.0.1/tcp/1', 'lan'],
    ['/ip4/100.64.0.7/tcp/1', 'overlay'],
    ['/ip6/fd7a:115c:a1e0::1/tcp/1', 'overlay'],
    ['/ip4/100.128.0.1/tcp/1', 'public'],
    ['/ip4/172.32.0.1/tcp/1', 'public'],
    ['/ip6/2001:db8::1/tcp/1', 'public'],
    ['/dns4/example.org/tcp/1', 'public'],
    [`/ip4/10.0.0.1/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/x`, 'relay'],
    ['nonsense', 'lan']
  ] as const) {
    it(`takes ${address} for ${kind}`, () => assert.equal(pathKind(address), kind))
  }

  it('ranks LAN over overlay over public over relay, and nothing over its like (Q1)', () => {
    const best = [
      '/ip4/10.0.0.1/tcp/1',
      '/ip4/100.64.0.1/tcp/1',
      '/ip4/8.8.8.8/tcp/1',
      `/p2p/${RELAY}/p2p-circuit`
    ]
    for (const [i, one] of best.entries()) {
      for (const [j, other] of best.entries()) assert.equal(isBetterPath(one, other), i < j)
    }
  })

  it('names the relay of a circuit, and none of a direct path', () => {
    assert.equal(relayOf(`/ip4/10.0.0.1/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/x`), RELAY)
    assert.equal(relayOf(circuitAddress(RELAY)), RELAY)
    assert.equal(relayOf('/ip4/10.0.0.1/tcp/1'), null)
  })
})

describe('dialOrder()', () => {
  it('begins where we got through last, goes on by kind, and tries a relay third', () => {
    const circuit = circuitAddress(RELAY)
    const other = circuitAddress('other')
    const given = [
      '/ip4/8.8.8.8/tcp/1',
      '/ip4/9.9.9.9/tcp/1',
      '/ip4/10.0.0.1/tcp/1',
      circuit,
      other
    ]
    const order = [
      '/ip4/8.8.8.8/tcp/1',
      '/ip4/10.0.0.1/tcp/1',
      circuit,
      '/ip4/9.9.9.9/tcp/1',
      other
    ]
    assert.deepEqual(dialOrder(given), order)
    assert.deepEqual(dialOrder([]), [])
    assert.deepEqual(dialOrder([circuit]), [circuit])
  })
})
