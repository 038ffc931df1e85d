// A thread's share of the hashes and signature checks that a lane cannot do without. Says how long they took.

import { createPublicKey, generateKeyPairSync, hash, sign, verify } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { shake256All } from '../../core/index.ts'

const share: Share = workerData
interface Share {
  readonly entries: number
  readonly blocks: number
  /** Hashes two at a time, as the chain does; else by node:crypto. */
  readonly isPaired: boolean
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread's port, no window.
parentPort?.postMessage(rawShare(share))

function rawShare({ entries, blocks, isPaired }: Share): number {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const header = Buffer.alloc(150, 5)
  const signature = sign(null, header, privateKey)
  const key = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
  const sizes = [130, 116 + 16, 64 + 12] // Entry, payload slot, two child hashes.
  const inputs = sizes.map((size) => Buffer.alloc(size, 9))
  const options = { outputEncoding: 'buffer', outputLength: 32 } as const
  const started = performance.now()
  const pairs = inputs.flatMap((first) => [
    { prefix: new Uint8Array(0), first },
    { prefix: new Uint8Array(0), first }
  ])
  for (let entry = 0; entry < entries; entry += isPaired ? 2 : 1) {
    if (isPaired) shake256All(pairs)
    else for (const input of inputs) hash('shake256', input, options)
  }
  for (let block = 0; block < blocks; block += 1) verify(null, header, key, signature)
  return performance.now() - started
}
