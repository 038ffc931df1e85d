// The small parts of the real kernel that touch the machine: ports and folders.

import assert from 'node:assert/strict'
import { DEFAULT_SANDBOX } from '../../../core/index.ts'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { access } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProcessHost, SpawnRequest } from '../../../agents/index.ts'
import { channelPair, pid } from '../../../core/index.ts'
import { rememberPorts, withRememberedPorts } from '../../../node/listen-ports.ts'
import { metered } from '../../../node/stream-garbage.ts'
import { testAgent } from '../../doubles/agent-records.ts'
import { clearTaskFolders, withTaskFolders } from '../../../node/task-folders.ts'
import { MemoryStore } from '../../doubles/memory-store.ts'
import { silentLog } from '../../doubles/silent-log.ts'

const ANY = '/ip4/127.0.0.1/tcp/0'

describe('node/listen-ports', () => {
  it('a node listens where it listened before, if that is free and it was told no port', async () => {
    const store = new MemoryStore()
    assert.deepEqual(await withRememberedPorts(store, [ANY]), [ANY])
    const server = createServer().listen(0, '0.0.0.0')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    await rememberPorts(store, [`/ip4/127.0.0.1/tcp/${port}/p2p/12D3`])
    assert.deepEqual(await withRememberedPorts(store, [ANY]), [ANY], 'it is in use')
    await new Promise((resolve) => server.close(resolve))
    assert.deepEqual(await withRememberedPorts(store, [ANY]), [`/ip4/127.0.0.1/tcp/${port}`])
    assert.deepEqual(await withRememberedPorts(store, ['/ip4/127.0.0.1/tcp/9']), [
      '/ip4/127.0.0.1/tcp/9'
    ])
  })
})

describe('node/task-folders', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weaver-folders-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('a task without a folder gets an empty one of its own, which goes when it has ended', async () => {
    const { processes, seen, end } = host()
    const deps = { processes, log: silentLog, streamMeter: () => undefined }
    const process = await withTaskFolders(deps, { directory: folder, isKept: false }).spawn(
      spawnRequest('true', null)
    )
    const own = join(folder, '7')
    assert.equal(seen[0]?.cwd, own)
    assert(existsSync(own))
    writeFileSync(join(own, 'left'), 'behind')
    end()
    await process.exited
    while (existsSync(own)) await access(folder) // Its removal is under way.
  })

  it('a folder that was named is used and left alone; a failed start leaves none behind', async () => {
    const { processes, seen } = host()
    const deps = { processes, log: silentLog, streamMeter: () => undefined }
    const tasks = withTaskFolders(deps, { directory: folder, isKept: false })
    await tasks.spawn(spawnRequest('true', '/somewhere'))
    assert.equal(seen[0]?.cwd, '/somewhere')
    await assert.rejects(tasks.spawn(spawnRequest('missing', null)))
    while (existsSync(join(folder, '7'))) await access(folder) // Its removal is under way.
  })

  it('what an earlier kernel left is cleared, but for the folders of its agents', async () => {
    const agents = { all: async () => [testAgent({ pid: pid(7) })] }
    for (const name of ['old', '7', '70']) writeFileSync(join(folder, name), '')
    await clearTaskFolders(folder, agents)
    assert.deepEqual(readdirSync(folder), ['7'])
  })
})

describe('node/stream-garbage', () => {
  it('metered() counts what passes both ways, and passes it on unchanged', async () => {
    const [mine, theirs] = channelPair()
    let counted = 0
    const channel = metered(mine, (bytes) => (counted += bytes))
    await channel.send(new Uint8Array(5))
    channel.end()
    await theirs.send(new Uint8Array(3))
    theirs.end()
    assert.deepEqual(await sizes(theirs.frames), [5])
    assert.deepEqual(await sizes(channel.frames), [3])
    assert.equal(counted, 8)
  })
})

async function sizes(frames: AsyncIterable<Uint8Array>): Promise<number[]> {
  const read: number[] = []
  for await (const { length } of frames) read.push(length)
  return read
}

function host(): {
  readonly processes: ProcessHost
  readonly seen: SpawnRequest[]
  readonly end: () => void
} {
  const seen: SpawnRequest[] = []
  const exited = Promise.withResolvers<{ code: number; signal: null }>()
  const processes: ProcessHost = {
    spawn: async (request) => {
      seen.push(request)
      if (request.command[0] === 'missing') throw new Error('PROCESS_NOT_FOUND')
      return {
        osPid: 1,
        exited: exited.promise,
        signal: () => undefined,
        stop: () => exited.promise,
        detachIo: () => undefined
      }
    }
  }
  return { processes, seen, end: () => exited.resolve({ code: 0, signal: null }) }
}

function spawnRequest(command: string, cwd: string | null): SpawnRequest {
  return {
    pid: pid(7),
    command: [command],
    env: {},
    cwd,
    sandbox: DEFAULT_SANDBOX,
    io: null
  }
}
