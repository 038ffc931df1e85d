import assert from 'node:assert/strict'
import { PathKeeper } from '../../../../mesh/paths/path-keeper.ts'
import type { Connection } from '../../../../mesh/ports.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { MemoryHub } from '../../../doubles/network.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

const self = testSigner('self').nodeId
const peer = testSigner('peer').nodeId
/** Where this machine listens, as the world sees it. */
const OWN = '/ip4/198.51.100.7/tcp/4001'

/** What a keeper dials for a connection whose other end is `current`, of a peer with these addresses. */
async function tried(current: string, addresses: readonly string[]): Promise<readonly string[]> {
  const dialled: string[] = []
  const clock = new VirtualClock()
  const network = new MemoryHub().network(self, OWN)
  await network.start({
    admits: () => true,
    admitsStream: () => true,
    connected: () => undefined
  })
  const connection: Connection = {
    peer,
    direction: 'outbound',
    remoteAddress: current,
    closed: new Promise(() => undefined),
    openStream: () => Promise.reject(new Error('not here')),
    onStream: () => undefined,
    close: () => Promise.resolve(),
    abort: () => undefined
  }
  const keeper = new PathKeeper({
    network,
    clock,
    log: silentLog,
    tasks: new Tasks(silentLog),
    connections: () => [connection],
    addressesOf: () => addresses,
    upgrade: async (_, better) => void dialled.push(...better)
  })
  keeper.tick()
  return dialled
}

describe('mesh/paths: the keeper', () => {
  const elsewhere = '/ip4/203.0.113.9/tcp/4001'

  it('looks for a better path than a public one, and not at addresses of this machine (Z3)', async () => {
    const lan = '/ip4/192.168.1.9/tcp/4001'
    assert.deepEqual(await tried(elsewhere, [elsewhere, '/ip4/127.0.0.1/tcp/4001', lan]), [lan])
    assert.deepEqual(await tried(elsewhere, [elsewhere, '/ip4/127.0.0.1/tcp/4001']), [])
  })

  it('leaves the path to a peer on this machine as it is (Z3)', async () => {
    const own = '/ip4/198.51.100.7/tcp/4002'
    assert.deepEqual(await tried(own, [own, '/ip4/127.0.0.1/tcp/4002']), [])
  })

  it('tries everything that could take the place of a relay', async () => {
    const relayed = `/ip4/203.0.113.1/tcp/4001/p2p/${peer}/p2p-circuit`
    const loopback = '/ip4/127.0.0.1/tcp/4002'
    assert.deepEqual(await tried(relayed, [elsewhere, loopback]), [elsewhere, loopback])
  })
})
