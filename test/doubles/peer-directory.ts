import { nodeId, nodeIdOf } from '../../core/index.ts'
import type { NodeId } from '../../core/index.ts'
import type { Candidate, GpuState, PeerDirectory } from '../../scheduler/index.ts'

/** A node id for the number `n`, 1 to 255. */
export function testNode(n: number): NodeId {
  return nodeId(nodeIdOf(new Uint8Array(32).fill(n)))
}

export function testGpu(index: number, more: Partial<GpuState> = {}): GpuState {
  return {
    index,
    vendor: 'nvidia',
    vendorIndex: index,
    model: 'test',
    memoryBytes: 24e9,
    isDeclared: false,
    isFree: true,
    ...more
  }
}

export function testCandidate(node: NodeId, more: Partial<Candidate> = {}): Candidate {
  return {
    nodeId: node,
    name: `n${node.slice(-4).toLowerCase()}`,
    isReachable: true,
    labels: {},
    cpus: 4,
    cpuLoad: 0,
    canContain: true,
    revision: 1,
    runningTasks: 0,
    tasksMax: 64,
    gpus: [],
    ...more
  }
}

/** Whatever the test says. */
export class MemoryDirectory implements PeerDirectory {
  readonly #candidates = new Map<NodeId, Candidate>()
  readonly #listeners = new Set<() => void>()

  candidates(): readonly Candidate[] {
    return [...this.#candidates.values()]
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  get listeners(): number {
    return this.#listeners.size
  }

  set(candidate: Candidate): void {
    this.#candidates.set(candidate.nodeId, candidate)
    for (const listener of this.#listeners) listener()
  }

  change(node: NodeId, more: Partial<Candidate>): void {
    const known = this.#candidates.get(node) ?? testCandidate(node)
    this.set({ ...known, revision: known.revision + 1, ...more })
  }
}
