// Goal: data of any size goes through `weaver run` byte for byte, in bounded memory.
// Method: 1 GB of a known pseudo-random stream through `cat` on the other node; hashes compared; the
// resident memory of both kernels sampled while it flows.

import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'
import { Lab, residentBytes } from './lab.ts'

const BYTES = 1024 * 1024 * 1024
const CHUNK = 1024 * 1024
const GROWTH_MAX = 64 * 1024 * 1024

describe('chaos: streams', function () {
  this.timeout(240_000)
  let lab: Lab

  before(async () => {
    lab = await Lab.open()
    await lab.pair()
  })
  after(() => lab.close())

  it('1 GB goes there and back unchanged, and neither kernel grows by 64 MB', async () => {
    const pids = [await lab.pidOf('laptop'), await lab.pidOf('server')]
    // A little first: what is compiled and buffered once is not growth.
    const warm = lab.spawn('laptop', ['run', '--on', 'server', '--', 'cat'])
    warm.stdin?.end(Buffer.alloc(8 * CHUNK))
    for await (const _ of warm.stdout ?? []) continue
    const before = await Promise.all(pids.map(residentBytes))
    const peak = [...before]

    const run = lab.spawn('laptop', ['run', '--on', 'server', '--', 'cat'])
    const sent = createHash('sha256')
    const received = createHash('sha256')
    let receivedBytes = 0
    const reading = (async () => {
      for await (const chunk of run.stdout ?? []) {
        received.update(chunk)
        receivedBytes += chunk.length
      }
    })()
    // AES-CTR of zeros: any byte lost, moved or doubled changes the hash.
    const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
    const zeros = Buffer.alloc(CHUNK)
    for (let offset = 0; offset < BYTES; offset += CHUNK) {
      const chunk = stream.update(zeros)
      sent.update(chunk)
      if (run.stdin?.write(chunk) === false) {
        await new Promise((resolve) => run.stdin?.once('drain', resolve))
      }
      if (offset % (16 * CHUNK) !== 0) continue
      const now = await Promise.all(pids.map(residentBytes))
      for (const [index, bytes] of now.entries()) peak[index] = Math.max(peak[index] ?? 0, bytes)
    }
    run.stdin?.end()
    await reading

    assert.equal(receivedBytes, BYTES)
    assert.equal(received.digest('hex'), sent.digest('hex'))
    for (const [index, bytes] of peak.entries()) {
      const growth = bytes - (before[index] ?? 0)
      assert(growth < GROWTH_MAX, `kernel ${index} grew by ${Math.round(growth / 1e6)} MB`)
    }
  })

  it('exit code, signal and both outputs come back as they were', async () => {
    const { code, stdout, stderr } = await lab.weaver(
      'laptop',
      'run',
      '--on',
      'server',
      '--',
      'sh',
      '-c',
      'printf "out\\0\\377"; printf err >&2; exit 42'
    )
    assert.equal(code, 42)
    assert.equal(stderr, 'err')
    assert.equal(stdout.length, 5)
    const killed = await lab.weaver(
      'laptop',
      'run',
      '--on',
      'server',
      '--',
      'sh',
      '-c',
      'kill -9 $$'
    )
    assert.equal(killed.code, 128 + 9)
  })

  it('an interrupt reaches the command on the other node', async () => {
    const script = 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.1; done'
    const run = lab.spawn('laptop', ['run', '--on', 'server', '--', 'sh', '-c', script])
    let output = ''
    run.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output === 'ready\n') run.kill('SIGINT')
    })
    const code = await new Promise((resolve) => run.once('close', resolve))
    assert.equal(output, 'ready\ncaught\n')
    assert.equal(code, 5)
  })
})
