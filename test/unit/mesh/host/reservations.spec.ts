import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { millis } from '../../../../core/index.ts'
import { RESERVATION_TTL_MS, RESERVATIONS_MAX } from '../../../../mesh/host-limits.ts'
import { Reservations } from '../../../../mesh/libp2p-reservations.ts'
import { RESERVATION_RENEW_MS } from '../../../../mesh/paths/limits.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'

const address = multiaddr('/ip4/127.0.0.1/tcp/4001')

async function peerOf(number: number): Promise<PeerId> {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, number)
  return peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed))
}

describe('Reservations', () => {
  it('keeps a place as long as it is renewed, and its circuits with it (S1, S2)', async () => {
    const clock = new VirtualClock()
    const kept = new Reservations({ clock })
    const peer = await peerOf(1)
    kept.reserve(peer, address)
    const signal = kept.get(peer)?.signal
    // A day of renewals: libp2p's own store loses the place after 80 minutes.
    for (let at = 0; at < 24 * RESERVATION_TTL_MS; at += RESERVATION_RENEW_MS) {
      clock.advanceTo(millis(at + RESERVATION_RENEW_MS - 1))
      assert.ok(kept.get(peer) !== undefined, `lost after ${clock.now()} ms`)
      assert.equal(kept.reserve(peer, address).status, 'OK')
      assert.equal(kept.get(peer)?.signal, signal)
    }
    assert.equal(signal?.aborted, false)
    assert.equal(clock.pending(), 0)
  })

  it('gives up a place that is not renewed, without a timer (S1)', async () => {
    const clock = new VirtualClock()
    const kept = new Reservations({ clock })
    const peer = await peerOf(1)
    const { expire } = kept.reserve(peer, address)
    assert.equal(expire, Math.round((clock.wall() + RESERVATION_TTL_MS) / 1000))
    assert.equal(clock.pending(), 0)
    clock.advanceTo(millis(RESERVATION_TTL_MS - 1))
    assert.ok(kept.get(peer) !== undefined)
    clock.advanceTo(RESERVATION_TTL_MS)
    assert.equal(kept.get(peer), undefined)
    assert.equal(kept.reservations.size, 0)
  })

  it('refuses one more than RESERVATIONS_MAX, until one of them has run out', async () => {
    const clock = new VirtualClock()
    const kept = new Reservations({ clock })
    for (let number = 0; number < RESERVATIONS_MAX; number += 1) {
      assert.equal(kept.reserve(await peerOf(number), address).status, 'OK')
      if (number === 0) clock.advanceTo(millis(1000))
    }
    const late = await peerOf(RESERVATIONS_MAX)
    assert.equal(kept.reserve(late, address).status, 'RESERVATION_REFUSED')
    assert.equal(kept.reserve(await peerOf(1), address).status, 'OK', 'a renewal is no new place')
    clock.advanceTo(RESERVATION_TTL_MS)
    assert.equal(kept.reserve(late, address).status, 'OK')
  })
})
