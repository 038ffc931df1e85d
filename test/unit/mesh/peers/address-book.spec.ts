import assert from 'node:assert/strict'
import { unixMillis } from '../../../../core/index.ts'
import { ADDRESSES_PER_PEER_MAX } from '../../../../mesh/limits.ts'
import { AddressBook, addressesByNode } from '../../../../mesh/peers/address-book.ts'
import { MemoryStore } from '../../../doubles/memory-store.ts'
import { testSigner } from '../lab.ts'

const peer = testSigner('peer').nodeId

import { HINTS_PER_PEER_MAX } from '../../../../mesh/paths/limits.ts'

describe('mesh/peers: the address book', () => {
  it('keeps the address that worked first, then what was learned last', () => {
    const addresses = book()
    assert.ok(addresses.learn(peer, ['/ip4/1/tcp/1', '/ip4/2/tcp/1']))
    addresses.reached(peer, `/ip4/2/tcp/1/p2p/${peer}`)
    assert.ok(addresses.learn(peer, ['/ip4/3/tcp/1']))
    assert.ok(!addresses.learn(peer, ['/ip4/1/tcp/1']), 'nothing new')
    assert.deepEqual(addresses.of(peer).addresses, ['/ip4/2/tcp/1', '/ip4/3/tcp/1', '/ip4/1/tcp/1'])
  })

  it('forgets the oldest beyond its bound, but never what is configured', () => {
    const fixed = addressesByNode([`/ip4/9/tcp/1/p2p/${peer}`, '/ip4/8/tcp/1'])
    const addresses = book(new MemoryStore(), fixed)
    for (let port = 0; port < 40; port++) addresses.learn(peer, [`/ip4/1/tcp/${port}`])
    const { length } = addresses.of(peer).addresses
    assert.equal(length, ADDRESSES_PER_PEER_MAX + 1)
    assert.ok(addresses.of(peer).addresses.includes('/ip4/9/tcp/1'))
  })

  it('takes a peer’s own word, keeps its last places for a while, and no more (E1)', () => {
    const addresses = book(new MemoryStore())
    addresses.reached(peer, '/ip4/10.0.0.9/tcp/1')
    for (let place = 0; place < 9; place++) addresses.stated(peer, [`/ip4/10.0.0.${place}/tcp/2`])
    const order = [9, 8, 7, 6, 5].map((place) => `/ip4/10.0.0.${place}/tcp/${place === 9 ? 1 : 2}`)
    assert.deepEqual(addresses.of(peer).addresses, order)
    assert.equal(addresses.stated(peer, ['/ip4/10.0.0.8/tcp/2']), false)
  })

  it('takes few hints from the LAN, never stores them, and never lets them crowd out others (E2)', async () => {
    const store = new MemoryStore()
    const addresses = book(store)
    addresses.stated(peer, ['/ip4/10.0.0.1/tcp/1'])
    for (let port = 2; port < 40; port++) addresses.hinted(peer, [`/ip4/10.0.0.1/tcp/${port}`])
    const known = addresses.of(peer).addresses
    assert.equal(known.length, 1 + HINTS_PER_PEER_MAX)
    assert.equal(known[0], '/ip4/10.0.0.1/tcp/1')
    await addresses.save([peer])
    const after = book(store)
    await after.load()
    assert.deepEqual(after.of(peer).addresses, ['/ip4/10.0.0.1/tcp/1'])
  })

  it('remembers over a restart, and forgets what is damaged', async () => {
    const store = new MemoryStore()
    const before = book(store)
    before.learn(peer, ['/ip4/1/tcp/1'])
    before.seen(peer, unixMillis(5))
    await before.save([peer])
    const after = book(store)
    await after.load()
    const remembered = { addresses: ['/ip4/1/tcp/1'], lastSeen: 5, hasLeft: false }
    assert.deepEqual(after.of(peer), remembered)
    await store.write([{ key: `mesh/peer/${peer}`, value: Uint8Array.of(255) }])
    const damaged = book(store)
    await damaged.load()
    assert.deepEqual(damaged.of(peer), { addresses: [], lastSeen: null, hasLeft: false })
  })
})

describe('mesh/peers: the address book and who goes', () => {
  it('forgets whom nobody knows any more, also when it is asked to save it later', async () => {
    const store = new MemoryStore()
    const addresses = book(store)
    addresses.learn(peer, ['/ip4/1/tcp/1'])
    await addresses.save([peer])
    await addresses.retain(() => false)
    await addresses.save([peer])
    assert.deepEqual(await store.list('mesh/peer/'), [])
    assert.deepEqual(addresses.of(peer).addresses, [])
  })

  it('remembers who said that it goes, and that it came back', async () => {
    const store = new MemoryStore()
    const addresses = book(store)
    for (const hasLeft of [true, false]) {
      assert.ok(addresses.left(peer, hasLeft))
      assert.ok(!addresses.left(peer, hasLeft), 'nothing new')
      await addresses.save([peer])
      const after = book(store)
      await after.load()
      assert.equal(after.of(peer).hasLeft, hasLeft)
    }
  })
})

function book(
  store: MemoryStore = new MemoryStore(),
  fixed: ReadonlyMap<string, readonly string[]> = new Map()
): AddressBook {
  return new AddressBook(store, fixed)
}
