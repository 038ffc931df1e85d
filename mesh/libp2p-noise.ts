// Noise as libp2p has it, with less work for each message. What travels is the same, byte for byte.
//
// Four things cost more than they do. Node makes a key object of raw key bytes for each message, by way of
// an error that it throws and catches (10 us). The decoder of lengths throws an error whenever it has come to
// the end of what has arrived, which is once for each packet (4 us). Each message is copied before it is opened.
// And it goes to the socket in two to four writes, the first of two bytes, for which the other end wakes up.

import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import type { ICryptoInterface, NoiseComponents } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { AbstractMessageStream } from '@libp2p/utils'
import { JOINED_WRITE_BYTES_MAX, WASM_CIPHER_BYTES_MAX } from './host-limits.ts'

type Bytes = Parameters<ICryptoInterface['chaCha20Poly1305Encrypt']>[0]
type BytesList = Exclude<Bytes, Uint8Array>

const CIPHER = 'chacha20-poly1305'
const TAG_BYTES = 16
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES }
/** More than is ever there: the decoder waits for the rest. */
const LENGTH_UNKNOWN = 0xffff

/** To be used like libp2p's own, and with peers that do. */
export function quickNoise(): (components: NoiseComponents) => ConnectionEncrypter {
  const create = noise({ crypto: { ...defaultCrypto, ...keptKeys() } })
  return (components) => {
    const encrypter = create(components)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = async (connection, options) => {
      joinWrites(connection)
      return slimmed(await secureInbound(connection, options))
    }
    encrypter.secureOutbound = async (connection, options) => {
      joinWrites(connection)
      return slimmed(await secureOutbound(connection, options))
    }
    return encrypter
  }
}

/** The same cipher, with each key made into Node's form once. */
export function keptKeys(): Pick<
  ICryptoInterface,
  'chaCha20Poly1305Encrypt' | 'chaCha20Poly1305Decrypt'
> {
  const keys = new WeakMap<Uint8Array, KeyObject>()
  const keyOf = (bytes: Uint8Array): KeyObject => {
    const known = keys.get(bytes)
    if (known !== undefined) return known
    const key = createSecretKey(bytes)
    keys.set(bytes, key)
    return key
  }
  return {
    chaCha20Poly1305Encrypt: (plaintext, nonce, ad, k) => {
      if (plaintext.byteLength <= WASM_CIPHER_BYTES_MAX) {
        return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, k)
      }
      const cipher = createCipheriv(CIPHER, keyOf(k), nonce, CIPHER_OPTIONS)
      if (ad.length > 0) cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
      const sealed = passed(plaintext, (part) => cipher.update(part))
      cipher.final()
      return appended(sealed, cipher.getAuthTag())
    },
    chaCha20Poly1305Decrypt: (ciphertext, nonce, ad, k) => {
      if (ciphertext.byteLength <= WASM_CIPHER_BYTES_MAX) {
        return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k)
      }
      const size = ciphertext.byteLength - TAG_BYTES
      const decipher = createDecipheriv(CIPHER, keyOf(k), nonce, CIPHER_OPTIONS)
      if (ad.length > 0) decipher.setAAD(ad, { plaintextLength: size })
      decipher.setAuthTag(ciphertext.subarray(size))
      const body =
        ciphertext instanceof Uint8Array
          ? ciphertext.subarray(0, size)
          : ciphertext.sublist(0, size)
      const opened = passed(body, (part) => decipher.update(part))
      decipher.final() // Throws where the tag is wrong: nothing of `opened` has left here.
      return opened
    }
  }
}

function passed(bytes: Bytes, pass: (part: Uint8Array) => Uint8Array): Bytes {
  if (bytes instanceof Uint8Array) return pass(bytes)
  const list = emptyLike(bytes)
  for (const part of bytes) list.append(pass(part))
  return list
}

function appended(bytes: Bytes, more: Uint8Array): Bytes {
  if (bytes instanceof Uint8Array) return Buffer.concat([bytes, more])
  bytes.append(more)
  return bytes
}

/** An empty list of the caller's class, which is a dependency of its own. */
function emptyLike(list: BytesList): BytesList {
  return list.sublist(0, 0)
}

/** One write for each message: its parts in one piece where they are few bytes, else gathered by the system. */
function joinWrites(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  connection.send = (data) =>
    send(data.byteLength <= JOINED_WRITE_BYTES_MAX ? data.subarray() : data)
  if (!(connection instanceof AbstractMessageStream) || !('socket' in connection)) return
  const { socket } = connection
  if (!(socket instanceof Socket)) return
  const sendData = connection.sendData.bind(connection)
  connection.sendData = (data) => {
    socket.cork()
    try {
      return sendData(data)
    } finally {
      socket.uncork()
    }
  }
}

/** Where what reads the messages is as we know it; the connection works without. */
function slimmed<Secured extends { readonly connection: object }>(secured: Secured): Secured {
  const { connection } = secured
  const decoder = 'decoder' in connection ? connection.decoder : null
  if (typeof decoder === 'object' && decoder !== null && 'lengthDecoder' in decoder) {
    decoder.lengthDecoder = lengthOrMore
  }
  const handshake = 'handshake' in connection ? connection.handshake : null
  if ('decrypt' in connection && isOpener(handshake)) {
    // libp2p's copies each message first, to have room for what our ciphers do not write there.
    connection.decrypt = (message: BytesList) => handshake.decrypt(message)
  }
  return secured
}

interface Opener {
  decrypt(message: BytesList): Bytes
}

function isOpener(handshake: unknown): handshake is Opener {
  return (
    typeof handshake === 'object' &&
    handshake !== null &&
    'decrypt' in handshake &&
    typeof handshake.decrypt === 'function'
  )
}

function lengthOrMore(data: Bytes): number {
  if (data.byteLength < 2) return LENGTH_UNKNOWN
  if (data instanceof Uint8Array) return ((data[0] ?? 0) << 8) | (data[1] ?? 0)
  return (data.get(0) << 8) | data.get(1)
}
