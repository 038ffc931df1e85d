import assert from 'node:assert/strict'
import { once } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import type { NoiseComponents } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { AbstractMessageStream, multiaddrConnectionPair } from '@libp2p/utils'
import { WASM_CIPHER_BYTES_MAX } from '../../../../mesh/host-limits.ts'
import { keptKeys, quickNoise } from '../../../../mesh/libp2p-noise.ts'

const SIZES = [0, 1, 200, WASM_CIPHER_BYTES_MAX, WASM_CIPHER_BYTES_MAX + 1, 1200, 65_519]

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31) & 0xff)
}

function bytesOf(bytes: { slice(): Uint8Array }): Uint8Array {
  return new Uint8Array(bytes.slice())
}

describe('keptKeys()', () => {
  const key = pattern(32)
  const nonce = pattern(12)
  const associated = [new Uint8Array(), pattern(32)]
  const { chaCha20Poly1305Encrypt: seal, chaCha20Poly1305Decrypt: open } = keptKeys()

  it('seals the bytes that libp2p seals, and opens them', () => {
    for (const size of SIZES) {
      for (const ad of associated) {
        const plain = pattern(size)
        const sealed = bytesOf(defaultCrypto.chaCha20Poly1305Encrypt(plain, nonce, ad, key))
        assert.deepEqual(bytesOf(seal(plain, nonce, ad, key)), sealed)
        assert.deepEqual(bytesOf(open(sealed, nonce, ad, key)), plain)
      }
    }
  })

  it('opens nothing that was changed in any of its parts', () => {
    for (const size of SIZES.filter((one) => one > 0)) {
      for (const at of [0, size - 1, size, size + 15]) {
        const sealed = seal(pattern(size), nonce, new Uint8Array(), key).slice()
        sealed[at] = (sealed[at] ?? 0) ^ 1
        assert.throws(() => open(sealed, nonce, new Uint8Array(), key))
      }
    }
  })

  it('keeps keys apart', () => {
    const other = pattern(33).slice(1)
    const sealed = seal(pattern(2000), nonce, new Uint8Array(), key).slice()
    assert.throws(() => open(sealed, nonce, new Uint8Array(), other))
    assert.deepEqual(bytesOf(open(sealed, nonce, new Uint8Array(), key)), pattern(2000))
  })
})

type Encrypters = readonly [
  (components: NoiseComponents) => ConnectionEncrypter,
  (components: NoiseComponents) => ConnectionEncrypter
]

describe('quickNoise()', () => {
  it('speaks with libp2p as it is, both ways, whatever the size of a message', async () => {
    for (const encrypters of [
      [quickNoise(), noise()],
      [noise(), quickNoise()],
      [quickNoise(), quickNoise()]
    ] as const) {
      const { here, there } = await connected(encrypters)
      for (const size of [1, 200, 2000, 65_519, 200_000]) {
        assert.deepEqual(await passed(here, there, pattern(size)), pattern(size))
        assert.deepEqual(await passed(there, here, pattern(size)), pattern(size))
      }
    }
  })

  it('hands a short message to the connection below in one piece', async () => {
    const { here, there, pieces } = await connected([quickNoise(), quickNoise()])
    pieces.splice(0)
    await passed(here, there, pattern(300))
    assert.deepEqual(pieces, [2 + 300 + 16])
  })

  it('reads messages that arrive a byte at a time, and throws no error to wait for more', async () => {
    const { here, there, raw } = await connected([quickNoise(), quickNoise()])
    const sent: Uint8Array[] = []
    raw.send = (data) => sent.push(data.slice()) > 0
    here.send(pattern(40))
    here.send(pattern(50))
    assert.ok(there instanceof AbstractMessageStream)
    const decoder = Reflect.get(there, 'decoder') as {
      lengthDecoder(data: Uint8Array): number
    }
    assert.ok(decoder.lengthDecoder(new Uint8Array(1)) > 1000)
    const received: Uint8Array[] = []
    there.addEventListener('message', ({ data }) => received.push(data.slice()))
    const below = Reflect.get(there, 'stream') as AbstractMessageStream
    for (const byte of Buffer.concat(sent)) below.onData(Uint8Array.of(byte))
    assert.deepEqual(received, [pattern(40), pattern(50)])
  })

  it('cuts a connection on which a byte was changed', async () => {
    const { here, there, raw } = await connected([quickNoise(), quickNoise()])
    const send = raw.send.bind(raw)
    raw.send = (data) => {
      const changed = data.slice()
      changed[10] = (changed[10] ?? 0) ^ 1
      return send(changed)
    }
    const cut = once(there, 'close')
    here.send(pattern(2000))
    await cut
    assert.equal(there.status, 'aborted')
  })
})

interface Pair {
  readonly here: MessageStream
  readonly there: MessageStream
  /** Below `here`. */
  readonly raw: MessageStream
  /** The size of each that `here` has written. */
  readonly pieces: number[]
}

async function connected([ours, theirs]: Encrypters): Promise<Pair> {
  const [raw, other] = multiaddrConnectionPair()
  const pieces: number[] = []
  assert.ok(raw instanceof AbstractMessageStream)
  const sendData = raw.sendData.bind(raw)
  raw.sendData = (data) => {
    pieces.push(...[...data].map((piece) => piece.length))
    return sendData(data)
  }
  const [out, into] = await Promise.all([
    ours(await components()).secureOutbound(raw),
    theirs(await components()).secureInbound(other)
  ])
  return { here: out.connection, there: into.connection, raw, pieces }
}

async function components(): Promise<NoiseComponents> {
  const privateKey = await generateKeyPair('Ed25519')
  const log = Object.assign(() => undefined, {
    error: () => undefined,
    trace: () => undefined,
    enabled: false,
    newScope: () => log
  })
  return {
    privateKey,
    peerId: peerIdFromPrivateKey(privateKey),
    logger: { forComponent: () => log },
    upgrader: { getStreamMuxers: () => new Map() }
  } as unknown as NoiseComponents
}

async function passed(
  from: MessageStream,
  to: MessageStream,
  bytes: Uint8Array
): Promise<Uint8Array> {
  const received: Uint8Array[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const onMessage = ({ data }: { readonly data: { slice(): Uint8Array } }): void => {
    received.push(data.slice())
    if (received.reduce((sum, part) => sum + part.length, 0) >= bytes.length) resolve()
  }
  to.addEventListener('message', onMessage)
  from.send(bytes)
  await promise
  to.removeEventListener('message', onMessage)
  return new Uint8Array(Buffer.concat(received))
}
