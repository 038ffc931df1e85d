// One kernel, built from ports alone: clock, chance, store, lanes, network, processes. compose.ts gives
// it the real ones, the simulator gives it virtual ones. Read `createKernel` from top to bottom for how
// the rooms fit together, `start` and `stop` for the order in which they live and die.

import { rotationEntry } from '../chain/index.ts'
import type { EntryDraft, LaneDisk, RecordChecker } from '../chain/index.ts'
import { WeaverError } from '../core/index.ts'
import type { KeyValueStore, NodeId, Signer } from '../core/index.ts'
import { Blobs, createMesh } from '../mesh/index.ts'
import type { BlobDisk, Mesh, MeshLedger, Network, PulseSource } from '../mesh/index.ts'
import type { Sandbox } from '../sandbox-wasm/index.ts'
import { EXECUTOR_SERVICE, ORIGIN_SERVICE, serveExecutor, serveOrigin } from '../scheduler/index.ts'
import type { KernelEvent } from './api/index.ts'
import { confirmOwnLane, repairOwnLane, startedMark } from './chain-repair.ts'
import { ChainSync } from './chain-sync.ts'
import { Feed } from './feed.ts'
import { exchangePolicies, govern } from './govern.ts'
import type { GovernedDeps } from './govern.ts'
import { nodeLedger } from './ledger.ts'
import type { NodeLedger } from './ledger.ts'
import {
  EVENTS_KEPT_MAX,
  FIRST_CONNECTION_WAIT_MS,
  LAST_ENTRIES_WAIT_MS,
  LOAD_PULSE_INTERVAL_MS
} from './limits.ts'
import { KeptLanes } from './kept-lanes.ts'
import { laneOwners, openLanes } from './open-lanes.ts'
import { nodeLabels } from './own-labels.ts'
import { Paced } from './paced.ts'
import { Directory } from './peer-directory.ts'
import { ProcessTable } from './process-table.ts'
import type { Sample } from './process-table.ts'
import { decodePulse, encodePulse, PulseBook, steadyLoad } from './pulse.ts'
import type { MachineLoad, NodePulse } from './pulse.ts'
import { Recorder } from './recorder.ts'
import { agentsService, remoteAgents } from './remote/agents.ts'
import { approvalsService } from './remote/approvals.ts'
import { outputService } from './remote/output.ts'
import type { OutputStore } from './remote/output.ts'
import { toolCaller, toolsService } from './remote/tools.ts'
import type { KernelOptions, Rooms } from './rooms.ts'
import { secretsService } from './secret-grants.ts'
import { standingGrants } from './standing-grants.ts'
import type { WaysOut } from './standing-grants.ts'
import type { StreamMeter } from './stream-garbage.ts'
import { checkingAuthority } from './task-authority.ts'
import { Witness } from './witness.ts'
import { createWork } from './work.ts'
import type { WorkDeps, WorkParts } from './work.ts'
import { approvalsServer } from './services/approvals.ts'
import { resumeFreeing } from './services/chain-keep.ts'
import { authorizeJoin } from './services/mesh.ts'

export interface KernelDeps extends GovernedDeps, WorkDeps {
  readonly laneDisk: LaneDisk
  readonly blobDisk: BlobDisk
  /** A simulation that must run twice the same way: see ChainOptions. */
  readonly isRepeatable?: boolean
  /** Checks chain records on other cores; absent, they are checked on the spot. */
  readonly checker?: RecordChecker
  readonly network: Network
  readonly outputs: OutputStore
  readonly sandbox: Sandbox
  /** Why this machine cannot contain a process, and what to do. */
  readonly missingContainment: () => WeaverError
  /** Told of the bytes of streams that pass through this kernel. */
  readonly streamMeter: StreamMeter
  /** The same for lanes on their way to or from a member. */
  readonly laneMeter: StreamMeter
  /** Makes, or finds, the key that is to take the place of `signer`. Durable once it returns. */
  readonly prepareKey: () => Signer
  /** What this machine is doing now; asked once a second. */
  readonly machineLoad: () => MachineLoad
  /** The latest samples of this node's own processes. */
  readonly samples: () => ReadonlyMap<number, Sample>
  /** The ways out of contained processes; absent: there are none. */
  readonly waysOut?: WaysOut
}

export interface StartOptions {
  /** The line of an invite to a mesh to join, or null to found one or go on in the old one. */
  readonly invite: string | null
  readonly signal: AbortSignal
  /** Commands of processes that an earlier kernel had left behind and that were ended, for the record. */
  readonly reaped: readonly string[]
}

export interface Kernel {
  readonly rooms: Rooms
  /**
   * Resolves when the disk has failed under a lane. The kernel refuses every privileged act from then on: it
   * must be stopped, and started anew.
   */
  readonly failed: Promise<WeaverError>
  /**
   * Records the start, opens the mesh, and takes up the tasks of the kernel before. Resolves when the
   * kernel is ready for work. After a rejection only `stop` may be called.
   */
  start(options: StartOptions): Promise<void>
  /** Waits, within a bound, until the connected members hold the end of this node's lane. */
  flushed(): Promise<void>
  /** Refuses new work, ends all children, records the stop, closes everything; null records none. Idempotent. */
  stop(why: string | null): Promise<void>
}

export async function createKernel(deps: KernelDeps, options: KernelOptions): Promise<Kernel> {
  const { clock, log, signer, sandbox, outputs, network, streamMeter, prepareKey, secrets } = deps
  const self = signer.nodeId
  const failed = Promise.withResolvers<WeaverError>()
  const kept = await KeptLanes.open(deps.store, self, () => laneOwners(mesh))
  // The last thing awaited: it must be stopped.
  const chain = await openLanes(deps, options, { kept, mesh: () => mesh })
  const redacted = (text: string): string => secrets.redacted(text)
  const ledger = nodeLedger({ chain, self, onFailed: failed.resolve, redacted })
  const governed = govern(deps, { self, ledger, rooms: () => rooms })
  const { gate, approvals, asking } = governed
  const events = new Feed<KernelEvent>(options.incarnation.bootId, EVENTS_KEPT_MAX)
  const pulses = new PulseBook()

  const { name, incarnation, peers: staticAddresses = [] } = options
  const pulse = pulseSource(() => rooms)
  const mesh: Mesh = createMesh(
    { ...deps, ledger: meshLedger(ledger, self), pulse, pressed: streamMeter },
    { name, incarnation, staticAddresses }
  )
  const { rpc } = mesh
  const laneMesh = { self, rpc, log: log.child({ room: 'chain' }), ...membersOf(mesh) }
  const witness = new Witness({ ...laneMesh, chain, clock })
  const sync = new ChainSync({
    ...laneMesh,
    chain,
    meter: deps.laneMeter,
    onForked: (lane) => witness.forked(lane),
    onHeads: (peer, heads) => witness.heard(peer, heads),
    onFailed: failed.resolve
  })

  const directory = nodeDirectory(mesh, pulses, (node) => witness.isQuarantined(node))
  const table = nodeTable(mesh, pulses)
  const { submitterOf } = asking.book
  const shown = { self, name, table, ledger, events, submitterOf }
  const recorder = new Recorder({ ...shown, clock, log, redacted })
  const standing = standingGrants(deps, { self, ledger, submitterOf, mesh, ...governed })
  const parties = { options, mesh, gate, ledger, directory, approvals, recorder, asking, standing }
  const { origin, executor, agents, capabilities } = createWork(deps, parties)
  pulses.setOwn(() => ({
    ...deps.machineLoad(),
    executor: executor.load(),
    samples: deps.samples()
  }))
  const callTool = toolCaller({ sandbox, gate, ledger })
  const blobs = nodeBlobs(deps, { options, mesh, gate })

  const parts = { self, options, clock, log, startedAt: clock.now(), streamMeter, prepareKey }
  const policyExchange = exchangePolicies(governed, { mesh, clock, log, gate, ledger })
  const ports = { network, outputs, kept }
  const records = { chain, ledger, events, recorder, sync, witness, policyExchange, ...governed }
  const labels = nodeLabels(mesh, { log, start: options.labels })
  const seen = { directory, pulses, table }
  const meshed = { mesh, labels, ...seen, remoteAgents: remoteAgents(rpc, capabilities) }
  const confined = { sandbox, missingContainment: deps.missingContainment }
  const started = { origin, executor, agents, capabilities, callTool }
  const work = { ...started, secrets: deps.secrets, blobs, ...confined }
  const rooms: Rooms = { ...parts, ...ports, ...records, ...meshed, ...work }
  serveMembers(rooms)
  connectRooms(rooms)

  let stopping: Promise<void> | null = null
  return {
    rooms,
    failed: failed.promise,
    flushed: () => flushed(rooms),
    start: (start) => startKernel(rooms, { ...start, store: deps.store }),
    stop: (why) => {
      stopping ??= stopKernel(rooms, why)
      return stopping
    }
  }
}

/** What this node says of itself on every pulse, and what it makes of what others say. */
function pulseSource(rooms: () => Rooms): PulseSource {
  let told: MachineLoad | null = null
  return {
    collect: () => {
      const own = rooms().pulses.own()
      const { cpuLoad, memoryFreeBytes } = steadyLoad(told, own)
      told = { cpuLoad, memoryFreeBytes }
      return encodePulse({ ...own, ...told }, rooms().sync.heads())
    },
    receive: (peer, value) => {
      const decoded = decodePulse(value)
      if (decoded === null) return
      rooms().pulses.set(peer, decoded.pulse)
      rooms().sync.heard(peer, decoded.heads)
      rooms().directory.changed()
    }
  }
}

function membersOf(mesh: Mesh): {
  readonly isMember: (node: NodeId) => boolean
  readonly connectedPeers: () => readonly NodeId[]
} {
  return {
    // Also the lanes of the keys that members had before.
    isMember: (node) => mesh.heirs.ownsLane(node),
    connectedPeers: () =>
      mesh
        .peers()
        .filter(({ nodeId, isConnected }) => isConnected && nodeId !== mesh.nodeId)
        .map(({ nodeId }) => nodeId)
  }
}

function isReachable(mesh: Mesh, node: NodeId): boolean {
  return node === mesh.nodeId || mesh.peer(node)?.isConnected === true
}

function nodeDirectory(
  mesh: Mesh,
  pulses: PulseBook,
  isQuarantined: (node: NodeId) => boolean
): Directory {
  return new Directory({
    nodes: () => mesh.members().flatMap(({ nodeId }) => (isQuarantined(nodeId) ? [] : nodeId)),
    rowsOf: (node) => mesh.rows.of(node),
    nameOf: (node) => mesh.nameOf(node),
    isReachable: (node) => isReachable(mesh, node),
    pulseOf: (node) => (node === mesh.nodeId ? pulses.own() : pulses.of(node))
  })
}

function nodeTable(mesh: Mesh, pulses: PulseBook): ProcessTable {
  const self = mesh.nodeId
  const pulseOf = (node: NodeId): NodePulse | null =>
    node === self ? pulses.own() : pulses.of(node)
  return new ProcessTable({
    self,
    rows: mesh.rows,
    nodes: {
      nameOf: (node) => mesh.nameOf(node),
      lostSince: (node) => (isReachable(mesh, node) ? null : (mesh.peer(node)?.lastSeen ?? 0)),
      sample: (node, pid) => pulseOf(node)?.samples.get(pid) ?? null
    }
  })
}

/** What this node answers to other members. */
function serveMembers(rooms: Rooms): void {
  const { mesh, gate, origin, executor, outputs, options } = rooms
  mesh.serve(rooms.sync.service())
  mesh.serve(rooms.witness.service())
  mesh.serve(rooms.blobs.service)
  mesh.serve(agentsService(rooms))
  mesh.serve(toolsService(rooms.callTool))
  mesh.serve(secretsService(rooms))
  mesh.serve(approvalsService(approvalsServer(() => rooms)))
  if (rooms.policyExchange !== null) mesh.serve(rooms.policyExchange.service())
  mesh.serve(outputService({ outputs, gate, name: options.name }))
  const { self, capabilities, asking } = rooms
  const served = checkingAuthority(executor, { self, capabilities, proofs: asking.book })
  mesh.serve({ name: EXECUTOR_SERVICE, serve: (request) => serveExecutor(served, request) })
  mesh.serve({ name: ORIGIN_SERVICE, serve: (request) => serveOrigin(origin, request) })
}

/** Who hears of whose changes. */
function connectRooms(rooms: Rooms): void {
  const { mesh, directory, executor, origin, recorder, sync, witness, clock } = rooms
  const tellLoad = new Paced(
    { clock, act: () => mesh.pulseNow() },
    { intervalMs: LOAD_PULSE_INTERVAL_MS }
  )
  executor.onEvent((event) => recorder.execution(event))
  executor.onLoadChange(() => {
    directory.changed()
    tellLoad.ask()
  })
  origin.events((event) => recorder.task(event))
  mesh.rows.onChange((node) => directory.rowsChanged(node))
  mesh.onPeerChange((peer) => {
    if (peer.isConnected) witness.connected(peer.nodeId)
    else sync.forget(peer.nodeId)
    recorder.peer(peer)
    directory.changed()
    if (!mesh.isMember(peer.nodeId)) disown(rooms, peer.nodeId)
  })
}

/** What was begun for somebody who is no member any more ends with the membership. */
function disown({ executor, agents, log }: Rooms, node: NodeId): void {
  executor.disown(node)
  agents.disown(`node:${node}`).catch((error: unknown) => {
    log.error('Cannot end the agents of a node that is no member', { node, error: String(error) })
  })
}

/** Blobs that members get are decided and recorded once for each fetch. */
function nodeBlobs(
  deps: KernelDeps,
  { options, mesh, gate }: Pick<WorkParts, 'options' | 'mesh' | 'gate'>
): Blobs {
  return new Blobs(
    {
      ...deps,
      disk: deps.blobDisk,
      log: deps.log.child({ room: 'mesh' }),
      rpc: mesh.rpc,
      peers: membersOf(mesh).connectedPeers,
      routing: () => mesh.paths.routing,
      gate: {
        authorizeServe: async (peer, id) => {
          const principal = { kind: 'member', nodeId: peer } as const
          const resource = `blob:${id}`
          await gate.authorize({ principal, action: 'blob.get', resource, context: {} })
        }
      }
    },
    options.blobBudgetBytes === undefined ? {} : { budgetBytes: options.blobBudgetBytes }
  )
}

function meshLedger(ledger: NodeLedger, self: NodeId): MeshLedger {
  return {
    record: async (kind, subject, payload) => {
      await ledger.record([{ kind, actor: `node:${self}`, subject, payload }])
    }
  }
}

/** The mesh first: nothing may be appended to an own lane that is shorter than others know it. */
async function openOwnLane(rooms: Rooms, start: KernelStart): Promise<readonly EntryDraft[]> {
  const { self, options, mesh } = rooms
  const wish = options.repair ?? null
  await mesh.start()
  if (wish === null) {
    await confirmOwnLane(rooms, start.signal)
    return []
  }
  const least = (await startedMark.isSet(start.store)) ? 1 : 0
  const repaired = await repairOwnLane(rooms, { ...wish, least, signal: start.signal })
  const { height, heightBefore, lostTo } = repaired
  if (height === heightBefore && lostTo === null) return []
  const kind = lostTo === null ? 'chain.repaired' : 'chain.resumed'
  const payload = { heightBefore, height, lostTo }
  rooms.log.warn('Repaired the own lane', payload)
  return [{ kind, actor: 'user:local', subject: `node:${self}`, payload }]
}

interface KernelStart extends StartOptions {
  readonly store: KeyValueStore
}

async function startKernel(rooms: Rooms, start: KernelStart): Promise<void> {
  const { self, options, ledger, mesh, clock } = rooms
  const { version, incarnation, resources, labels } = options
  await rooms.blobs.open()
  const repaired = await openOwnLane(rooms, start)
  await ledger.record([
    ...firstWord(rooms),
    ...repaired,
    {
      kind: 'kernel.started',
      actor: `node:${self}`,
      subject: `node:${self}`,
      payload: {
        version,
        generation: incarnation.generation,
        name: options.name,
        labels,
        gpus: resources.gpus.map((gpu) => ({ ...gpu })),
        containment: options.containment ?? 'none',
        reaped: [...start.reaped]
      }
    }
  ])
  await startedMark.set(start.store)
  await rooms.approvals.start()
  await rooms.policies?.open()
  await rooms.chain.upkeep.resumeRedactions((query) => rooms.chain.log(query))
  if (start.invite !== null) {
    await authorizeJoin(rooms)
    await mesh.join(start.invite, start.signal)
    await firstConnection(rooms)
  }
  await mesh.found()
  if (mesh.name !== options.name) {
    throw new WeaverError(
      'NODE_NAME_FIXED',
      `Cannot call this node '${options.name}': its mesh knows it as '${mesh.name}'`,
      { detail: { hint: `start it without --name, or with --name ${mesh.name}` } }
    )
  }
  rooms.labels.publish({
    version,
    cpus: resources.cpus,
    memoryBytes: resources.memoryBytes,
    containment: options.containment,
    gpus: resources.gpus.map((gpu) => ({ ...gpu })),
    startedAt: clock.wall()
  })
  await resumeFreeing(rooms)
  await rooms.agents.resume() // Before any task: what an agent holds is its own.
  await rooms.executor.resume()
  await rooms.origin.resume()
  await rooms.asking.children.start()
}

/** The lane of a key that took over from another begins with the word of both. */
function firstWord({ chain, mesh, self }: Rooms): readonly EntryDraft[] {
  const before = mesh.heirs.before(self)
  if (before === null || chain.heads().some(({ lane }) => lane === self)) return []
  return [rotationEntry(before.node, self, before.rotation)]
}

/** Whoever has just joined expects to see the mesh; but a mesh that is slow to answer delays no start. */
async function firstConnection({ mesh, clock }: Rooms): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const isAlone = (): boolean => mesh.status().connected === 0
  const end = mesh.onPeerChange(() => {
    if (!isAlone()) resolve()
  })
  if (!isAlone()) resolve()
  const timer = new AbortController()
  try {
    await Promise.race([promise, clock.sleep(FIRST_CONNECTION_WAIT_MS, timer.signal)])
  } finally {
    timer.abort()
    end()
  }
}

/** The last entries reach the members that are there, if they are quick. */
async function flushed({ sync, clock }: Rooms): Promise<void> {
  const timer = new AbortController()
  const bound = clock
    .sleep(LAST_ENTRIES_WAIT_MS, timer.signal)
    .catch(() => undefined) // All were quick.
    .then(() => timer.abort())
  await sync.flush(timer.signal)
  timer.abort()
  await bound
}

async function stopKernel(rooms: Rooms, why: string | null): Promise<void> {
  const { self, ledger, log } = rooms
  rooms.events.close()
  rooms.policyExchange?.stop()
  // The executor first: what runs here ends, and the origin commits it before it stops too.
  await Promise.all([rooms.agents.close(), rooms.executor.stop(), rooms.sandbox.stop()])
  await rooms.origin.stop()
  await rooms.recorder.settled()
  await rooms.denials.stop()
  try {
    const subject = `node:${self}`
    if (why !== null)
      await ledger.record([{ kind: 'kernel.stopped', actor: subject, subject, payload: { why } }])
  } catch (error) {
    log.error('Cannot record the stop', { why: String(error) }) // A stop is never refused for that.
  }
  await flushed(rooms)
  await rooms.witness.stop()
  await rooms.sync.stop()
  await rooms.blobs.stop()
  await rooms.mesh.stop()
  await rooms.chain.stop()
}
