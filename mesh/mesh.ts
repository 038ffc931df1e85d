// The mesh of one node, whole: built from its parts here, and nowhere else.
//
// Invariants
//   X1. Nothing of a stranger reaches anything but the door, and that only while an invite is open.
//   X2. All that runs in the background belongs to `#tasks` and ends in `stop()`.
//   X3. A change of the membership is on disk before it has any effect (R1), and its effects are all in
//       `#membershipChanged`, whatever caused it.

import { underEither } from '../core/index.ts'
import type { Cbor, Logger, MeshId, NodeId } from '../core/index.ts'
import { Documents } from './documents/documents.ts'
import { encodeVector } from './documents/log.ts'
import type { Rows } from './documents/rows.ts'
import type { SharedRows } from './documents/shared-rows.ts'
import { createShared } from './documents/shared-sync.ts'
import type { Shared } from './documents/shared-sync.ts'
import { DocumentSync } from './documents/sync.ts'
import { MeshError, peerSilent } from './errors.ts'
import { Heirs } from './membership/heirs.ts'
import type { MembershipActs } from './membership/acts.ts'
import type { Council } from './membership/council.ts'
import { Door } from './membership/door.ts'
import type { InviteTerms } from './membership/door.ts'
import { Entrance } from './membership/entrance.ts'
import type { JoinOutcome } from './membership/entrance.ts'
import { findMember } from './membership/find-member.ts'
import type { Member, Membership } from './membership/fold.ts'
import type { Hello } from './membership/hello.ts'
import type { Invite } from './membership/invites.ts'
import { Gatehouse } from './membership/gatehouse.ts'
import { Roster } from './membership/roster.ts'
import type { Statement } from './membership/statement.ts'
import { createGovernment } from './membership/government.ts'
import type { Outbox } from './outbox/outbox.ts'
import { FAREWELL_TIMEOUT_MS } from './limits.ts'
import { gaterOf } from './gater.ts'
import { meshProtocols, serviceProtocol } from './protocols.ts'
import { lanTag } from './discovery/lan-tag.ts'
import { Paths } from './paths/paths.ts'
import { AddressBook, addressesByNode } from './peers/address-book.ts'
import { DialLoop } from './peers/dial-loop.ts'
import { IdentityWatch } from './peers/identity-watch.ts'
import type { Link } from './peers/link.ts'
import { Links } from './peers/links.ts'
import type { LinksOwner } from './peers/links.ts'
import { PeerTable } from './peers/peer-table.ts'
import { SwimLoop } from './peers/swim-loop.ts'
import type { SwimState } from './swim/messages.ts'
import type { PeerView } from './peers/peer-table.ts'
import { MESH_SERVICE, Pulse } from './peers/pulse.ts'
import type { PulseOwner } from './peers/pulse.ts'
import type { IssuedInvite, MeshDeps, MeshOptions, MeshStatus } from './mesh-types.ts'
import type { Connection, ConnectionAcceptor, DialTarget } from './ports.ts'
import { Whereabouts } from './peers/whereabouts.ts'
import { RpcNode } from './rpc/index.ts'
import type { RpcClient, RpcService } from './rpc/index.ts'
import { Tasks } from './tasks.ts'

export type { IssuedInvite, MeshDeps, MeshOptions, MeshStatus } from './mesh-types.ts'

type Phase = 'new' | 'running' | 'stopped'

export class Mesh {
  readonly nodeId: NodeId
  /** What admins, and members that go, do to the membership. */
  readonly acts: MembershipActs
  /** How peers are reached, and what this network allows. */
  readonly paths: Paths
  readonly #deps: MeshDeps
  readonly #options: MeshOptions
  readonly #log: Logger
  readonly #tasks: Tasks
  readonly #roster: Roster
  readonly #door: Door
  readonly #gatehouse: Gatehouse
  readonly #entrance: Entrance
  readonly #identity: IdentityWatch
  readonly #book: AddressBook
  readonly #whereabouts: Whereabouts
  readonly #rpc: RpcNode
  readonly #documents: Documents
  readonly #sync: DocumentSync
  readonly #shared: Shared
  readonly #links: Links
  readonly #table: PeerTable
  readonly #dialler: DialLoop
  readonly #pulse: Pulse
  readonly #outbox: Outbox
  readonly #swim: SwimLoop
  readonly #council: Council
  #phase: Phase = 'new'
  #mesh: MeshId | null = null
  #stopping: Promise<void> | null = null

  constructor(deps: MeshDeps, options: MeshOptions) {
    const { clock, prng, entropy, signer, store, ledger, network } = deps
    const log = deps.log.child({ room: 'mesh' })
    const self = signer.nodeId
    const tasks = new Tasks(log)
    const roster = new Roster(store, (said) => this.#membershipChanged(said))
    const addresses = (): Cbor => this.#whereabouts.known()
    const onShut = ({ relays }: Invite): void => this.#gatehouse.renew(relays)
    const door = new Door({ ...deps, roster, log, addresses, onShut })
    const rpc = this.#createRpc(deps, log)
    const isMember = (id: string): id is NodeId => roster.isMember(id)
    const onPublished = (): void => this.#sync.published()
    const documents = new Documents(
      { signer, clock, log, tasks, store, isMember, onPublished },
      { generation: options.incarnation.generation }
    )
    const book = new AddressBook(store, addressesByNode(options.staticAddresses ?? []))
    const nameOf = (id: string): string => this.nameOf(id)
    const connect = (peer: NodeId, signal: AbortSignal): Promise<void> =>
      this.#connect(peer, signal)
    const isConnected = (peer: NodeId): boolean => this.#links.serving(peer) !== null
    const newMesh = (): Promise<MeshId> => this.found()
    const parts = { ...deps, log, tasks, rpc, roster, isConnected, found: newMesh }
    const government = createGovernment(parts)
    this.acts = government.acts
    this.#outbox = government.outbox
    this.#council = government.council
    this.nodeId = self
    this.#deps = deps
    this.#options = options
    this.#log = log
    this.#tasks = tasks
    this.#roster = roster
    this.#door = door
    this.#book = book
    const onLearned = (): void => this.paths.changed()
    this.#whereabouts = new Whereabouts({ network, clock, book, documents, tasks, onLearned })
    this.#rpc = rpc
    this.#documents = documents
    this.#entrance = new Entrance(
      { ...deps, roster, door, remember: (known) => this.#whereabouts.remember(known) },
      { name: options.name }
    )
    this.#gatehouse = this.#createGatehouse()
    this.#identity = new IdentityWatch(
      { signer, entropy, ledger, log, tasks, rpc, meshId: () => this.#mesh, nameOf },
      options
    )
    this.#sync = new DocumentSync({ self, clock, documents, rpc, tasks, log, isMember })
    const connectedPeers = (): readonly NodeId[] => this.#links.servingPeers()
    this.#shared = createShared({ ...deps, log, tasks, rpc, roster, connectedPeers })
    const stateOf = (peer: NodeId): ReturnType<SwimLoop['stateOf']> => this.#swim.stateOf(peer)
    this.#table = new PeerTable({ clock, log, book, stateOf })
    this.#links = new Links({ self, clock, store, log, tasks, sessions: rpc }, this.#linksOwner())
    this.paths = this.#createPaths()
    this.#swim = this.#createSwim()
    this.#dialler = new DialLoop({ self, clock, prng, log, tasks, connect })
    const told = { clock, log, tasks, rpc, roster, source: deps.pulse }
    this.#pulse = new Pulse(told, this.#pulseOwner())
    const services = [this.#pulse, this.#sync, this.#shared.sync]
    for (const { service } of services) this.serve(service)
    documents.onChange((node) => this.#documentChanged(node))
  }

  #createRpc({ clock, pressed }: MeshDeps, log: Logger): RpcNode {
    const protocolOf = (service: string): string | null => this.#protocolOf(service)
    return new RpcNode({ clock, log, protocolOf, controlService: MESH_SERVICE, pressed })
  }

  #createPaths(): Paths {
    return new Paths({
      ...this.#deps,
      log: this.#log,
      tasks: this.#tasks,
      rpc: this.#rpc,
      connections: () => this.#links.servingConnections(),
      addressesOf: (peer) => this.#book.of(peer).addresses,
      upgrade: (peer, addresses) => this.#reach({ nodeId: peer, addresses }, this.#tasks.signal),
      probe: (peer) => this.#pulse.probe(peer),
      cut: (peer) => this.#links.drop(peer, peerSilent()),
      missing: () => this.#dialler.peers().filter((peer) => this.#links.serving(peer) === null),
      found: (peer, addresses) => this.#hinted(peer, addresses),
      redial: () => this.#dialler.dispatch({ kind: 'jumped' })
    })
  }

  #createGatehouse(): Gatehouse {
    return new Gatehouse({
      ...this.#deps,
      self: this.nodeId,
      log: this.#log,
      tasks: this.#tasks,
      rpc: this.#rpc,
      roster: this.#roster,
      door: this.#door,
      meshId: () => this.#mesh,
      service: MESH_SERVICE,
      connections: () => this.#links.servingConnections(),
      addressesOf: (peer) => this.#book.of(peer).addresses,
      ownAddresses: () => this.#whereabouts.own()
    })
  }

  #createSwim(): SwimLoop {
    return new SwimLoop(
      {
        ...this.#deps,
        log: this.#log,
        tasks: this.#tasks,
        rpc: this.#rpc,
        meshId: () => this.meshId(),
        service: MESH_SERVICE,
        versionOf: (peer) => this.#links.serving(peer)?.version ?? null,
        isMember: (id): id is NodeId => this.#roster.isMember(id) && id !== this.nodeId,
        hadLeft: (peer) => this.#book.of(peer).hasLeft,
        onChange: (peer, state) => this.#judged(peer, state)
      },
      { generation: this.#options.incarnation.generation }
    )
  }

  /** Whoever is doubted is asked at once: its connection may be as dead as it seems. */
  #judged(peer: NodeId, state: SwimState): void {
    if (this.#book.left(peer, state === 'left')) {
      this.#tasks.run('save address', () => this.#book.save([peer]))
    }
    this.#table.changed(peer)
    if (state === 'suspect' && this.#links.serving(peer) !== null) this.#pulse.send([peer])
  }

  // Life

  /** Listens, and begins to look for the members of the mesh that the store remembers, if any. */
  async start(): Promise<void> {
    if (this.#phase !== 'new') throw new MeshError('MESH_STOPPED', 'Cannot start a mesh twice')
    this.#phase = 'running'
    await this.#roster.load()
    await this.#door.load()
    await this.#book.load()
    await this.#links.load()
    await this.#outbox.load()
    await this.#deps.network.start(this.#gater())
    this.#pulse.start()
    this.#membershipChanged(null)
  }

  /** Says farewell, ends all that runs, and closes the network. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const wasRunning = this.#phase === 'running'
    this.#phase = 'stopped'
    if (wasRunning) await this.#pulse.sayFarewell()
    await this.#tasks.stop(new MeshError('MESH_STOPPED', 'The mesh has stopped'))
    this.#rpc.stop()
    await this.#deps.network.stop()
    await this.#documents.save().catch((error: unknown) => {
      this.#log.warn('could not save replicas', { error: String(error) }) // They are pulled again.
    })
    this.#documents.close()
    this.#shared.documents.close()
    this.#table.close()
  }

  // Membership

  /**
   * Founds a mesh of one. Does nothing where this node is in a mesh already.
   * @throws whatever the ledger or the store rejects with; then there is no mesh
   */
  async found(): Promise<MeshId> {
    this.#checkRunning()
    return this.#entrance.found()
  }

  /**
   * Joins the mesh of an invite. A node alone in a mesh of its own leaves that one for it.
   * @throws MeshError `MESH_ALREADY_MEMBER`, `MESH_INVITE_*`, `MESH_NAME_TAKEN`, `MESH_WRONG_MESH`,
   *   `MESH_INVITER_UNREACHABLE`, and others of errors.ts; then nothing has changed
   */
  async join(line: string, signal: AbortSignal): Promise<JoinOutcome> {
    this.#checkRunning()
    const own = new AbortController()
    return underEither(this.#tasks.signal, own, () =>
      underEither(signal, own, (either) => this.#entrance.join(line, either))
    )
  }

  /** @throws MeshError `MESH_NO_MESH`, `MESH_NOT_ADMIN`, `MESH_LIMIT_REACHED` */
  async invite(terms: InviteTerms): Promise<IssuedInvite> {
    this.#checkRunning()
    return this.#gatehouse.invite(terms)
  }

  meshId(): MeshId | null {
    return this.#mesh
  }

  /** The name of this node in its mesh, or the one it would found a mesh with. */
  get name(): string {
    return this.#roster.member(this.nodeId)?.name ?? this.#options.name
  }

  get heirs(): Heirs {
    return new Heirs(this.#roster)
  }

  isMember(id: NodeId): boolean {
    return this.#roster.isMember(id)
  }

  /** The signed statements that count: what makes the keys of members theirs. For proofs and exports. */
  statements(): readonly Uint8Array[] {
    return this.#roster.statements()
  }

  members(): readonly Member[] {
    return [...(this.#roster.membership?.members.values() ?? [])]
  }

  /**
   * A member, this node included, by its name, its node id or a unique prefix of that, with check digits
   * or without.
   * @throws MeshError `MESH_NODE_ID_MISTYPED`: the check digits say that another id was meant
   */
  member(idOrPrefixOrName: string): Member | null {
    return findMember(this.members(), idOrPrefixOrName)
  }

  /** What people call a node: its name, also when it has gone, or the start of its id. */
  nameOf(id: string): string {
    const { members, departed } = this.#roster.membership ?? {}
    return members?.get(id)?.name ?? departed?.get(id)?.name ?? id.slice(0, 16)
  }

  status(): MeshStatus {
    return {
      meshId: this.meshId(),
      members: this.members().length,
      connected: this.#links.servingPeers().length,
      refused: this.#identity.evicted ?? this.#identity.refused,
      warning: this.#identity.warning
    }
  }

  // Peers

  /** 0 while this machine answers in time; up to 8 as it gets too busy to judge others. */
  healthScore(): number {
    return this.#swim.healthScore
  }

  /** Every member as this node sees it, itself first. */
  peers(): readonly PeerView[] {
    const { generation } = this.#options.incarnation
    const shown = { addresses: this.#whereabouts.own(), generation }
    return this.#table.all(this.#roster.member(this.nodeId), shown)
  }

  peer(id: NodeId): PeerView | null {
    return this.#table.view(id)
  }

  /** Called when a member's state or connection changes, and when one is added. */
  onPeerChange(listener: (peer: PeerView) => void): () => void {
    return this.#table.onChange(listener)
  }

  // Services

  get rpc(): RpcClient {
    return this.#rpc
  }

  get rows(): Rows {
    return this.#documents
  }

  /** What admins want to be so, whoever is there at the time. */
  get shared(): SharedRows {
    return this.#shared.documents
  }

  /** Offers a service to the other members. @throws WeaverError `MESH_SERVICE_TAKEN` */
  serve(service: RpcService): void {
    this.#rpc.serve(service)
    const protocol = this.#protocolOf(service.name)
    if (protocol !== null) this.#deps.network.handle([protocol])
  }

  /** Tells every connected member now what the next pulse would: for news that should not wait. */
  pulseNow(): void {
    this.#pulse.send(this.#links.servingPeers())
  }

  // Inside

  /** All that follows from a new set of members (X3). */
  #membershipChanged(said: Statement | null): void {
    const membership = this.#roster.membership
    if (this.#phase !== 'running') return
    const isSame = this.#mesh === (membership?.meshId ?? null)
    if (!isSame) this.#switchMesh(membership)
    this.#identity.membershipChanged(membership)
    const others = [...(membership?.members.values() ?? [])].filter(({ nodeId: peer }) =>
      this.#isPeer(peer)
    )
    const ids = others.map(({ nodeId: peer }) => peer)
    this.#swim.setMembers(ids)
    this.#table.setMembers(others, membership?.departed ?? new Map())
    // Of two that are new to each other, whoever comes in dials; and begins with who has let it in.
    const { admittedBy } = this.#entrance
    this.#dialler.add(ids, (peer) => (admittedBy === null ? isSame : admittedBy !== peer))
    for (const peer of this.#dialler.peers()) {
      if (!this.#isPeer(peer)) this.#release(peer, membership)
    }
    this.#documents.retainMembers()
    this.#shared.documents.settle()
    this.#tasks.run('forget departed', () => this.#forgetDeparted())
    if (this.#roster.contested().length > 0) {
      this.#tasks.run('keep evicted nodes out', () => this.#council.carryOn())
    }
    if (said !== null) this.#pulse.tell(said) // First: who has it need not ask for it.
    this.pulseNow()
  }

  /** What was kept of nodes that are no members any more. */
  async #forgetDeparted(): Promise<void> {
    // The members are those of the next key of this home, too.
    if (this.heirs.of(this.nodeId) !== null) return
    this.heirs.follow(this.#book)
    const isKept = (peer: NodeId): boolean => this.#isPeer(peer)
    await Promise.all([this.#outbox, this.#book, this.#links].map((kept) => kept.retain(isKept)))
  }

  /** Whether `id` is somebody else whom we talk to: nobody is, once we are out ourselves. */
  #isPeer(id: NodeId): boolean {
    return id !== this.nodeId && this.isMember(id) && this.isMember(this.nodeId)
  }

  /** Ends all that we have with a node that is no member: an evicted one at once. */
  #release(peer: NodeId, membership: Membership | null): void {
    this.#dialler.dispatch({ kind: 'removed', peer })
    const cut = (): void =>
      this.#links.drop(peer, new MeshError('MESH_NOT_MEMBER', 'Cut: not a member any more'))
    const how = membership?.departed.get(peer)?.kind
    if (how !== 'left' && how !== 'succeeded') return cut()
    // It waits for our word that we have heard it.
    this.#tasks.run('farewell', async (signal) => {
      await this.#deps.clock.sleep(FAREWELL_TIMEOUT_MS, signal)
      if (!this.#isPeer(peer)) cut()
    })
  }

  #switchMesh(membership: Membership | null): void {
    const { network } = this.#deps
    if (this.#mesh !== null) network.unhandle(meshProtocols(this.#mesh, this.#rpc.services))
    this.#mesh = membership?.meshId ?? null
    network.paths?.announce(this.#mesh === null ? null : lanTag(this.#mesh))
    network.paths?.joinTable(this.#mesh === null ? null : serviceProtocol(this.#mesh, 'kad'))
    const documents = [this.#documents, this.#shared.documents]
    if (this.#mesh === null) return documents.forEach((each) => each.shut())
    network.handle(meshProtocols(this.#mesh, this.#rpc.services))
    for (const each of documents) each.open(this.#mesh)
    this.#whereabouts.publish()
  }

  #protocolOf(service: string): string | null {
    return this.#mesh === null ? null : serviceProtocol(this.#mesh, service)
  }

  #gater(): ConnectionAcceptor {
    return gaterOf({
      self: this.nodeId,
      door: this.#door,
      gatehouse: this.#gatehouse,
      entrance: this.#entrance,
      links: this.#links,
      isRunning: () => this.#phase === 'running',
      isPeer: (peer) => this.#isPeer(peer),
      found: (peer, addresses) => this.#hinted(peer, addresses)
    })
  }

  /** Somebody says that `peer` listens there. */
  #hinted(peer: NodeId, addresses: readonly string[]): void {
    if (!this.#isPeer(peer)) return
    if (this.#book.hinted(peer, addresses)) this.paths.changed()
    if (this.#links.serving(peer) === null) this.#dialler.hint(peer)
  }

  async #connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    const open = this.#entrance.take(peer)
    if (open !== null) {
      // All others are waiting for this.
      return this.#greet(open, signal).finally(() => this.#dialler.dispatch({ kind: 'jumped' }))
    }
    if (this.#links.isJoining(peer)) return // It is about to greet us.
    const addresses = this.paths.dialAddresses(peer)
    if (addresses.length === 0 || this.#links.serving(peer) !== null) return
    await this.#reach({ nodeId: peer, addresses }, signal)
  }

  /** Dials and greets; the connection serves then, unless one that is as good does. */
  async #reach(target: DialTarget, signal: AbortSignal): Promise<void> {
    await this.#greet(await this.#links.dial(this.#deps.network, target, signal), signal)
  }

  async #greet(connection: Connection, signal: AbortSignal): Promise<void> {
    await this.#links.greet(connection, signal)
    this.#book.reached(connection.peer, connection.remoteAddress)
    await this.#book.save([connection.peer])
  }

  #linksOwner(): LinksOwner {
    return {
      meshId: () => this.meshId(),
      isMember: (peer) => this.#isPeer(peer),
      ownHello: (mesh) => this.#identity.hello(mesh, this.name, this.#whereabouts.own()),
      challenge: (peer, nonce) => this.#pulse.challenge(peer, nonce),
      answerJoin: (peer, stream) => this.#door.answer(peer, stream, this.#tasks.signal),
      answerKnock: (peer, stream) => this.#gatehouse.answerKnock(peer, stream),
      accept: (peer, protocol, stream) => this.#gatehouse.accept(peer, protocol, stream),
      onUp: (link, hello) => this.#up(link, hello),
      onDown: (peer, isClosed) => this.#down(peer, isClosed),
      onDuplicate: (peer, refused, claim) => this.#identity.refusedPeer(peer, refused, claim),
      onRefused: (by, error, nonce) => {
        if (this.#identity.wasRefused(by, error, nonce)) this.#dialler.dispatch({ kind: 'halted' })
      }
    }
  }

  #pulseOwner(): PulseOwner {
    return {
      connectedPeers: () => this.#links.servingPeers(),
      vector: () => encodeVector(this.#documents.vector()),
      compare: (peer, vector) => this.#sync.compare(peer, vector),
      shared: () => this.#shared.sync.digests(),
      compareShared: (peer, digests) => this.#shared.sync.compare(peer, digests),
      measured: (peer, rttMs) => this.#heard(peer, rttMs),
      isDoubted: (peer) => this.#swim.stateOf(peer).state !== 'alive',
      silent: (peer) => this.#links.drop(peer, peerSilent()),
      farewell: (peer, body) => this.#swim.heardFarewell(peer, body),
      farewellBody: () => ({ left: this.#swim.farewell() }),
      swim: (peer, body) => this.#swim.receive(peer, body),
      claim: (nonce) => this.#identity.claim(nonce),
      duplicated: (by) => this.#identity.wasDuplicated(by),
      pinged: (peer) => this.paths.pinged(peer),
      sponsored: (peer, body) => ({ ...this.#gatehouse.sponsored(peer, body) }),
      delivered: (peer, body) => this.#outbox.serve(peer, body),
      ticked: () => {
        for (const peer of this.#links.servingPeers()) this.#outbox.flush(peer)
        this.#table.tick()
        this.paths.tick()
        if (this.#mesh !== null) this.#whereabouts.publish()
      },
      jumped: () => this.paths.shaken()
    }
  }

  #up(link: Link, hello: Hello): void {
    const { peer } = link
    this.#dialler.dispatch({ kind: 'connected', peer })
    this.#whereabouts.met(peer, hello.addresses)
    this.#book.seen(peer, this.#deps.clock.wall())
    this.#table.setLink(peer, link)
    this.#swim.connected(peer)
    this.#table.changed(peer)
    this.#sync.connected(peer)
    this.#pulse.greet(peer)
    this.paths.tick()
    this.#outbox.flush(peer)
    this.#gatehouse.connected(peer)
    this.#log.info('connected', { peer, name: this.nameOf(peer) })
  }

  #down(peer: NodeId, isClosed: boolean): void {
    this.#log.info('disconnected', { peer, name: this.nameOf(peer) })
    if (this.#isPeer(peer)) {
      this.#book.seen(peer, this.#deps.clock.wall())
      this.#tasks.run('save address', () => this.#book.save([peer]))
    }
    this.#sync.lost(peer)
    this.#shared.sync.lost(peer)
    this.#shared.documents.settle()
    this.#gatehouse.lost(peer)
    this.#table.setLink(peer, null)
    this.#swim.lost(peer, isClosed)
    this.#table.changed(peer)
    this.#dialler.lost(peer)
    this.#deps.network.paths?.seek()
  }

  #heard(peer: NodeId, rttMs: number): void {
    this.#table.measured(peer, rttMs)
    if (this.#isPeer(peer)) this.#book.seen(peer, this.#deps.clock.wall())
  }

  #documentChanged(node: NodeId): void {
    if (node === this.nodeId) return
    if (this.#whereabouts.read(node)) this.#dialler.hint(node)
  }

  #checkRunning(): void {
    if (this.#phase === 'running') return
    throw new MeshError('MESH_STOPPED', 'Cannot do this: the mesh is not running')
  }
}

/** Builds the mesh of one node. It does nothing before `start()`. */
export function createMesh(deps: MeshDeps, options: MeshOptions): Mesh {
  return new Mesh(deps, options)
}
