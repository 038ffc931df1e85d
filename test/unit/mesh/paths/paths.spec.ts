import assert from 'node:assert/strict'
import { millis } from '../../../../core/index.ts'
import type { NodeId } from '../../../../core/index.ts'
import { Paths } from '../../../../mesh/paths/paths.ts'
import type { NetworkPaths } from '../../../../mesh/ports.ts'
import { Tasks } from '../../../../mesh/tasks.ts'
import { MemoryHub } from '../../../doubles/network.ts'
import { silentLog } from '../../../doubles/silent-log.ts'
import { VirtualClock } from '../../../sim/world/virtual-clock.ts'
import { testSigner } from '../lab.ts'

const absent = (): never => assert.fail('not asked for here')

describe('mesh/paths: the paths of a node', () => {
  it('let the LAN rest while no member is missing, and only then', () => {
    const network = new MemoryHub().network(testSigner('self').nodeId, '/ip4/10.0.0.1/tcp/1')
    let settled = 0
    const paths: NetworkPaths = {
      refresh: () => false,
      announce: absent,
      seek: absent,
      settle: () => {
        settled += 1
      },
      reserve: absent,
      joinTable: absent,
      met: absent,
      find: async () => [],
      routing: { provide: absent, withdraw: absent, providers: absent },
      survey: absent
    }
    let missing: readonly NodeId[] = [testSigner('peer').nodeId]
    const parts = { network: Object.assign(network, { paths }), clock: new VirtualClock() }
    const node = new Paths({
      ...parts,
      log: silentLog,
      tasks: new Tasks(silentLog),
      rpc: { call: absent, notify: absent, open: absent },
      connections: () => [],
      addressesOf: () => [],
      upgrade: absent,
      probe: absent,
      cut: absent,
      missing: () => missing,
      found: absent,
      redial: absent
    })
    node.tick()
    assert.equal(settled, 0)
    missing = []
    node.tick()
    parts.clock.advanceTo(millis(1000))
    node.tick()
    assert.equal(settled, 2)
  })
})
