import assert from 'node:assert/strict'
import { nodeIdOf } from '../../../core/index.ts'
import { NODE_KEY, NODE_SECTION } from '../../../node/node-info.ts'
import { Directory } from '../../../node/peer-directory.ts'

const node = nodeIdOf(new Uint8Array(32).fill(7))

function setup(): {
  readonly directory: Directory
  readonly reads: () => number
  readonly changes: () => number
  readonly say: (labels: Readonly<Record<string, string>> | null) => void
  readonly silence: () => void
} {
  let isSilent = false
  let row: unknown
  let reads = 0
  let changes = 0
  const directory = new Directory({
    nodes: () => [node],
    rowsOf: () => {
      reads += 1
      return { [NODE_SECTION]: row === undefined ? {} : { [NODE_KEY]: row } }
    },
    nameOf: () => 'server',
    isReachable: () => true,
    pulseOf: () =>
      isSilent
        ? null
        : {
            cpuLoad: 0,
            memoryFreeBytes: 0,
            executor: { revision: 1, runningTasks: 0, tasksMax: 1, gpus: [] },
            samples: new Map()
          }
  })
  directory.onChange(() => (changes += 1))
  return {
    directory,
    reads: () => reads,
    changes: () => changes,
    say: (labels) => {
      if (labels !== null) {
        row = { version: '1', cpus: 2, memoryBytes: 1, gpus: [], labels, startedAt: 1 }
      }
      directory.rowsChanged(node)
    },
    silence: () => {
      isSilent = true
    }
  }
}

describe('Directory', () => {
  it('knows a node that had said nothing when it was first asked about', () => {
    const { directory, say } = setup()
    assert.equal(directory.candidates()[0]?.isReachable ?? false, false)
    say({ rack: 'a' })
    assert.deepEqual(
      directory.candidates().map(({ labels }) => labels),
      [{ rack: 'a' }]
    )
  })

  it('tells of a change of what a node has, not of its processes, and reads its row once', () => {
    const { directory, say, reads, changes } = setup()
    say({ rack: 'a' })
    const before = reads()
    directory.candidates()
    directory.candidates()
    assert.equal(reads(), before)
    say(null) // Another row of the same document.
    assert.equal(changes(), 1)
    say({ rack: 'b' })
    assert.equal(changes(), 2)
    assert.deepEqual(directory.infoOf(node)?.labels, { rack: 'b' })
  })

  it('awaits a node that is connected until it has told both its row and its load', () => {
    const { directory, say, silence } = setup()
    assert.equal(directory.isAwaited(node), true)
    say({ rack: 'a' })
    assert.equal(directory.isAwaited(node), false)
    silence()
    assert.equal(directory.isAwaited(node), true)
    assert.equal(directory.isAwaited(null), true)
  })
})
