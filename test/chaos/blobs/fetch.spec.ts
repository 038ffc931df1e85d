// Goal: blobs survive what happens to real kernels: the receiver is killed in mid-fetch, the sender is, a disk
// lies, a disk is full.
// Method: kernels of their own processes on loopback, really killed; what counts is the bytes in the files.

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive, Lab, residentBytes, resultOf, until } from '../kernel/lab.ts'

const SIZE = 96 * 1024 * 1024
const MB = 1e6

describe('blobs between kernels', function () {
  this.timeout('120s')
  let lab: Lab
  let file: string
  let digest: string

  beforeEach(async () => {
    lab = await Lab.open()
    await lab.pair()
    file = join(lab.folder, 'original')
    const bytes = randomFillSync(Buffer.alloc(SIZE + 12_345))
    await writeFile(file, bytes)
    digest = createHash('sha256').update(bytes).digest('hex')
  })
  afterEach(() => lab.close())

  async function put(name: string): Promise<string> {
    const { stdout, stderr, code } = await lab.weaver(name, 'blob', 'put', file)
    assert.equal(code, 0, stderr)
    return stdout.trim()
  }

  async function get(name: string, id: string): Promise<string> {
    const out = join(lab.folder, `${name}.out`)
    const { stderr, code } = await lab.weaver(name, 'blob', 'get', id, '-o', out)
    assert.equal(code, 0, stderr)
    return await digestOf(out)
  }

  /** Begins a fetch on the server, and kills a kernel as soon as some of it has arrived. */
  async function killedInMidFetch(
    victim: string,
    id: string
  ): Promise<{ readonly result: ReturnType<typeof resultOf> }> {
    // Found before, so that nothing comes between the look at the file and the signal.
    const pid = await lab.pidOf(victim)
    const fetching = lab.spawn('server', ['blob', 'get', id, '--json'])
    fetching.stdin?.end()
    const result = resultOf(fetching)
    const part = join(lab.homeOf('server'), 'blobs', `${id}.part`)
    await until(() => {
      const size = statSync(part, { throwIfNoEntry: false })?.size ?? 0
      if (size <= SIZE / 10) return false
      process.kill(pid, 'SIGKILL')
      return true
    })
    await until(() => !isAlive(pid))
    return { result }
  }

  it('goes on where it was when the receiver is killed in mid-fetch', async () => {
    const id = await put('laptop')
    const { result } = await killedInMidFetch('server', id)
    await result
    const part = join(lab.homeOf('server'), 'blobs', `${id}.part`)
    assert((await soundChunks(part, file)) > 0, 'nothing of it was kept')
    const server = await lab.start('server')
    await until(async () => (await server.client.meshStatus()).connected === 1)
    await lab.done('server', 'blob', 'get', id, '--json')
    assert.equal(await get('server', id), digest)
    assert.equal(await sizeOf(part), 0, 'the part is still there')
  })

  it('waits for a sender that is killed in mid-fetch, and goes on when it is back', async () => {
    const id = await put('laptop')
    const { result } = await killedInMidFetch('laptop', id)
    await lab.start('laptop')
    const { code, stderr } = await result
    assert.equal(code, 0, stderr)
    assert.equal(await get('server', id), digest)
  })

  it('takes no byte of a disk that lies, and mends that disk from the one that does not', async () => {
    const id = await put('laptop')
    assert.equal(await get('server', id), digest)
    const stored = join(lab.homeOf('laptop'), 'blobs', `${id}.data`)
    const handle = await open(stored, 'r+')
    await handle.write(Buffer.from('a lie'), 0, 5, 40_000_000)
    await handle.close()
    const refused = await lab.weaver('laptop', 'blob', 'get', id, '-o', join(lab.folder, 'lie'))
    assert.notEqual(refused.code, 0, 'damaged bytes were delivered')
    assert.equal(await get('laptop', id), digest)
  })

  it('keeps memory bounded at both ends, whatever the size', async () => {
    const pids = await Promise.all(['laptop', 'server'].map((name) => lab.pidOf(name)))
    const before = await Promise.all(pids.map(residentBytes))
    let most = pids.map(() => 0)
    let isOver = false
    const watching = until(async () => {
      const now = await Promise.all(pids.map(residentBytes))
      most = most.map((bytes, index) => Math.max(bytes, now[index] ?? 0))
      return isOver
    }, 110_000)
    const id = await put('laptop')
    assert.equal(await get('server', id), digest)
    isOver = true
    await watching
    const grown = most.map((bytes, index) => (bytes - (before[index] ?? 0)) / MB)
    console.log(`      grown by ${grown.map((bytes) => bytes.toFixed(0)).join(' and ')} MB`)
    assert(Math.max(...grown) < 160, `grown by ${grown.join(' and ')} MB`)
  })

  it('says when there is no room, keeps to the budget, and leaves nothing behind', async () => {
    await lab.done('server', 'kernel', 'stop')
    await lab.start('server', '--blob-budget', '50MB')
    const over = await lab.weaver('server', 'blob', 'put', file, '--json')
    assert.equal(over.code, 1)
    assert.match(over.stdout, /MESH_BLOB_OVER_BUDGET/)
    assert.deepEqual(await readdir(join(lab.homeOf('server'), 'blobs')), [])
    const { code } = await lab.weaver('server', 'blob', 'put', file, '--json')
    assert.equal(code, 1)
  })
})

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0
  )
}

async function soundChunks(part: string, original: string): Promise<number> {
  const [found, wanted] = await Promise.all([readFile(part), readFile(original)])
  let sound = 0
  for (let at = 0; at < found.length; at += 262_144) {
    if (found.subarray(at, at + 262_144).equals(wanted.subarray(at, at + 262_144))) sound += 1
  }
  return sound
}
