// A peer of real libp2p that knows the whole protocol and keeps to none of it. It can join by an invite and
// then say what it likes: wrong hellos, forged statements, poisoned documents, the same bytes twice. What it is not
// told to do it does as any member: a stream that it took and never answered would be an attack, too.

import { randomBytes } from 'node:crypto'
import { signerFromSeed } from '../../../core/index.ts'
import type { Cbor, MeshId, NodeId, Signer } from '../../../core/index.ts'
import { systemClock } from '../../../core/system.ts'
import { Exchange } from '../../../mesh/exchange.ts'
import { libp2pNetwork } from '../../../mesh/index.ts'
import type { ByteStream, Connection, Network } from '../../../mesh/index.ts'
import { signClaim } from '../../../mesh/membership/claim.ts'
import { answerGreeting, greet, helloProtocol } from '../../../mesh/membership/hello.ts'
import type { Hello, HelloRefusal } from '../../../mesh/membership/hello.ts'
import { parseInvite } from '../../../mesh/membership/invite-line.ts'
import { requestAdmission } from '../../../mesh/membership/joiner.ts'
import type { Admission } from '../../../mesh/membership/joiner.ts'
import { Link } from '../../../mesh/peers/link.ts'
import { MESH_SERVICE } from '../../../mesh/peers/pulse.ts'
import { RpcNode } from '../../../mesh/rpc/index.ts'
import { silentLog } from '../../doubles/silent-log.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

export class HostilePeer {
  readonly signer: Signer
  readonly network: Network
  readonly rpc: RpcNode
  mesh: MeshId | null = null
  /** What it answers to a hello; null accepts. */
  refuseHello: HelloRefusal | null = null
  readonly #links = new Map<Connection, Link>()

  private constructor(seed: Uint8Array) {
    this.signer = signerFromSeed(seed)
    const deps = { clock: systemClock, log: silentLog }
    this.network = libp2pNetwork({ ...deps, seed }, { listen: [LOOPBACK] })
    const protocolOf = (service: string): string | null => this.protocol(service)
    this.rpc = new RpcNode({ ...deps, protocolOf })
    // A member that leaves pulses unanswered is cut within seconds, again and again.
    this.rpc.serve({ name: MESH_SERVICE, serve: async () => null })
  }

  static async start(seed: Uint8Array = new Uint8Array(randomBytes(32))): Promise<HostilePeer> {
    const peer = new HostilePeer(seed)
    await peer.network.start({
      admits: () => true,
      admitsStream: () => true,
      connected: (connection) => peer.#connected(connection)
    })
    return peer
  }

  get id(): NodeId {
    return this.signer.nodeId
  }

  protocol(service: string): string | null {
    return this.mesh === null ? null : `/weft/${this.mesh.slice(0, 16)}/${service}/1`
  }

  /** Becomes a member as anybody may who has an invite. */
  async join(line: string, name: string): Promise<Admission> {
    const invite = parseInvite(line)
    const entropy = { bytes: (size: number) => new Uint8Array(randomBytes(size)) }
    const deps = { network: this.network, clock: systemClock, entropy }
    const admission = await requestAdmission(deps, invite, name, forever())
    this.mesh = invite.meshId
    this.network.handle([helloProtocol(invite.meshId), ...this.#services()])
    return admission
  }

  async dial(nodeId: NodeId, addresses: readonly string[]): Promise<Connection> {
    return this.network.dial({ nodeId, addresses }, AbortSignal.timeout(5000))
  }

  /** A connection over which RPC serves, after a hello of our making. */
  async connect(
    nodeId: NodeId,
    addresses: readonly string[],
    hello: Partial<Hello> = {}
  ): Promise<Connection> {
    const { mesh } = this
    if (mesh === null) throw new Error('not in a mesh')
    const connection = await this.dial(nodeId, addresses)
    const stream = await connection.openStream(helloProtocol(mesh), forever())
    await greet(new Exchange(stream), { ...this.hello(), ...hello }, async () => null)
    this.#attach(connection)
    return connection
  }

  hello(): Hello {
    const { mesh } = this
    if (mesh === null) throw new Error('not in a mesh')
    const incarnation = { generation: 1, bootId: 'hostile' }
    return {
      mesh,
      name: 'hostile',
      incarnation,
      addresses: [],
      version: 2,
      claim: signClaim(this.signer, mesh, incarnation),
      nonce: new Uint8Array(randomBytes(16))
    }
  }

  call(peer: NodeId, service: string, method: string, body: Cbor): Promise<unknown> {
    return this.rpc.call(peer, service, method, body)
  }

  async stop(): Promise<void> {
    this.rpc.stop()
    await this.network.stop()
  }

  #services(): readonly string[] {
    return ['mesh', 'documents', 'chain', 'witness'].flatMap(
      (service) => this.protocol(service) ?? []
    )
  }

  #connected(connection: Connection): void {
    const openings = new Map<string, (stream: ByteStream) => void>()
    this.#links.set(connection, new Link(connection, openings))
    void connection.closed.then(() => this.#links.delete(connection))
    // Whichever of the two dialled: the other side keeps one connection, and closes the other.
    const answer = (stream: ByteStream): void =>
      void this.#answerHello(stream).then(() => this.#attach(connection))
    if (this.mesh !== null) openings.set(helloProtocol(this.mesh), answer)
  }

  /** Streams that came before wait until now; those of services that it does not offer are refused. */
  #attach(connection: Connection): void {
    this.rpc.attach(connection)
    const take = (protocol: string, stream: ByteStream): boolean =>
      this.rpc.accept(connection, protocol, stream)
    this.#links.get(connection)?.serve(this.hello(), take)
  }

  async #answerHello(stream: ByteStream): Promise<void> {
    const judge = async (): Promise<HelloRefusal | null> => this.refuseHello
    await answerGreeting(new Exchange(stream), this.hello(), judge).catch(() => undefined)
  }
}

function forever(): AbortSignal {
  return new AbortController().signal
}
