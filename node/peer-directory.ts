// Which nodes a task might run on: the scheduler's PeerDirectory over rows, pulses and peer states.

import type { NodeId } from '../core/index.ts'
import type { Candidate, PeerDirectory } from '../scheduler/index.ts'
import { NODE_KEY, NODE_SECTION, parseNodeInfo } from './node-info.ts'
import type { NodeInfo } from './node-info.ts'
import type { NodePulse } from './pulse.ts'

export interface DirectoryDeps {
  readonly nodes: () => readonly NodeId[]
  readonly rowsOf: (node: NodeId) => Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly nameOf: (node: NodeId) => string
  readonly isReachable: (node: NodeId) => boolean
  /** This node's own pulse too. */
  readonly pulseOf: (node: NodeId) => NodePulse | null
}

/** What a node's row says, and the row it was read from. */
interface KnownInfo {
  readonly text: string | undefined
  readonly info: NodeInfo | null
}

/** A member that has not said yet what it has: known by name, and nothing can run there. */
const SILENT: Omit<Candidate, 'nodeId' | 'name'> = {
  revision: 0,
  runningTasks: 0,
  tasksMax: 0,
  gpus: [],
  isReachable: false,
  labels: {},
  cpus: 1,
  cpuLoad: 0,
  canContain: false
}

export class Directory implements PeerDirectory {
  readonly #deps: DirectoryDeps
  /** Asked for at every placement, and changed once in a kernel's life: read anew only after a change. */
  readonly #infos = new Map<NodeId, KnownInfo>()
  readonly #listeners = new Set<() => void>()

  constructor(deps: DirectoryDeps) {
    this.#deps = deps
  }

  candidates(): readonly Candidate[] {
    return this.#deps.nodes().map((node) => this.#candidate(node))
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether `node`, or any node where it is null, is connected and has not said yet what it has. */
  isAwaited(node: NodeId | null): boolean {
    const { nodes, isReachable, pulseOf } = this.#deps
    const asked = node === null ? nodes() : [node]
    return asked.some((each) => {
      return isReachable(each) && (this.infoOf(each) === null || pulseOf(each) === null)
    })
  }

  /** Tells the scheduler that something here may read differently now. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** To be called after rows of `node` have changed; mostly they are its processes, and nothing changes here. */
  rowsChanged(node: NodeId): void {
    const before = this.#infos.get(node)
    const row = this.#deps.rowsOf(node)[NODE_SECTION]?.[NODE_KEY]
    const text = JSON.stringify(row)
    if (before !== undefined && before.text === text) return
    this.#infos.set(node, { text, info: parseNodeInfo(row) })
    this.changed()
  }

  infoOf(node: NodeId): NodeInfo | null {
    const known = this.#infos.get(node)
    if (known !== undefined) return known.info
    const row = this.#deps.rowsOf(node)[NODE_SECTION]?.[NODE_KEY]
    const info = parseNodeInfo(row)
    this.#infos.set(node, { text: JSON.stringify(row), info })
    return info
  }

  #candidate(node: NodeId): Candidate {
    const name = this.#deps.nameOf(node)
    const info = this.infoOf(node)
    const pulse = this.#deps.pulseOf(node)
    if (info === null || pulse === null) return { ...SILENT, nodeId: node, name }
    return {
      ...pulse.executor,
      nodeId: node,
      name,
      isReachable: this.#deps.isReachable(node),
      labels: info.labels,
      cpus: info.cpus,
      cpuLoad: pulse.cpuLoad,
      canContain: info.containment !== null
    }
  }
}
