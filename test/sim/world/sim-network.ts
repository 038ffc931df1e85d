// The simulated network: machines, the links between them, and the connections over those.

import { WeaverError } from '../../../core/index.ts'
import type { NodeId, Prng } from '../../../core/index.ts'
import type { Connection, ConnectionAcceptor, DialTarget, Network } from '../../../mesh/ports.ts'
import type { Life } from './life.ts'
import { Link, Wire } from './link.ts'
import type { LinkQuality, NetworkCounts } from './link.ts'
import { ConnectionEnd } from './sim-connection.ts'
import type { Fabric } from './sim-connection.ts'
import type { Trace } from './trace.ts'
import type { VirtualClock } from './virtual-clock.ts'

const HANDSHAKE_BYTES = 120
const DIAL_TIMEOUT_MS = 10_000
const PORT = 4001

/** One machine's place in the network; it outlives the kernels that run there. */
interface Machine {
  readonly id: NodeId
  readonly address: string
  /** Null while no kernel listens. */
  listener: { readonly acceptor: ConnectionAcceptor; readonly life: Life } | null
  hasPower: boolean
  readonly whenUp: (() => void)[]
  readonly protocols: Set<string>
  readonly connections: Set<ConnectionEnd>
}

export interface NetworkOptions {
  readonly quality: LinkQuality
  /** Dials that fail for no reason, of 100. */
  readonly dialFailPercent: number
}

export class SimNetwork implements Fabric {
  readonly counts: NetworkCounts = { delivered: 0, lost: 0, held: 0, resets: 0, dialsFailed: 0 }
  readonly #deps: { readonly clock: VirtualClock; readonly prng: Prng; readonly trace: Trace }
  #options: NetworkOptions
  readonly #machines = new Map<NodeId, Machine>()
  readonly #links = new Map<string, Link>()
  #serial = 0

  constructor(deps: { clock: VirtualClock; prng: Prng; trace: Trace }, options: NetworkOptions) {
    this.#deps = deps
    this.#options = options
  }

  addMachine(id: NodeId): void {
    const address = `/ip4/10.0.0.${this.#machines.size + 1}/tcp/${PORT}/p2p/${id}`
    this.#machines.set(id, {
      id,
      address,
      listener: null,
      hasPower: true,
      whenUp: [],
      protocols: new Set(),
      connections: new Set()
    })
  }

  /** The network as the kernel of one life on one machine sees it. */
  attach(id: NodeId, life: Life): Network {
    return new MachineNetwork({ fabric: this, machine: this.#machine(id), life })
  }

  powerOff(id: NodeId): void {
    this.#machine(id).hasPower = false
  }

  powerOn(id: NodeId): void {
    const machine = this.#machine(id)
    machine.hasPower = true
    for (const act of machine.whenUp.splice(0)) act()
  }

  /** Calls `act` as soon as the machine's system can answer, now if it can. */
  onceUp(id: NodeId, act: () => void): void {
    const machine = this.#machine(id)
    if (machine.hasPower) act()
    else machine.whenUp.push(act)
  }

  link(from: NodeId, to: NodeId): Link {
    const key = `${from}>${to}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link = new Link({ ...this.#deps, counts: this.counts }, this.#options.quality)
    this.#links.set(key, link)
    return link
  }

  /** From here on everything gets through, as well as `quality` says. */
  heal(quality: LinkQuality): void {
    this.#options = { quality, dialFailPercent: 0 }
    for (const link of this.#links.values()) {
      link.quality = quality
      while (link.isStalled) link.heal()
    }
  }

  /** Resets every connection between two machines, as a router that forgot them does. */
  cut(a: NodeId, b: NodeId): void {
    for (const end of this.#machine(a).connections) {
      if (end.peer !== b || !end.isOpen) continue
      this.counts.resets += 1
      end.cutByNetwork()
    }
  }

  handles(id: NodeId, protocol: string): boolean {
    return this.#machine(id).protocols.has(protocol)
  }

  /**
   * Called for every segment that arrives. Its size, time and place in the order are traced, its bytes are
   * not: checkpoints carry ML-DSA signatures, each with a random number of its own (FIPS 204, hedged) that
   * node:crypto lets nobody choose. What matters of the bytes reaches the disks, which are traced whole.
   */
  delivered(from: NodeId, to: NodeId, what: string): void {
    this.counts.delivered += 1
    const time = this.#deps.clock.now().toFixed(3)
    this.#deps.trace.add(`${time} ${this.#short(from)}>${this.#short(to)} ${what}`)
  }

  /** The same bytes, sometimes in two parts. */
  split(bytes: Uint8Array): readonly Uint8Array[] {
    if (bytes.length < 2 || this.#deps.prng.below(8) !== 0) return [bytes]
    const at = 1 + this.#deps.prng.below(bytes.length - 1)
    return [bytes.subarray(0, at), bytes.subarray(at)]
  }

  /** SYN, SYN-ACK and the handshake; settles when the dialler knows how it ended. */
  async connect(
    from: Machine,
    fromLife: Life,
    target: DialTarget,
    signal: AbortSignal
  ): Promise<Connection> {
    if (signal.aborted) throw dialAborted(signal)
    const { promise, resolve, reject } = Promise.withResolvers<Connection>()
    const to = this.#listenerAt(target)
    const wires = to === null ? null : this.#wires(from, to)
    const giveUp = (error: WeaverError): void => {
      // The other side may think that it is connected by now: it is told, as the system would.
      if (step.near !== null) step.near.abort(error)
      else wires?.there.cut()
      wires?.back.cut()
      reject(error)
    }
    const fail = (why: string): void => {
      this.counts.dialsFailed += 1
      giveUp(dialFailed(target.nodeId, why))
    }
    const step: Handshake = { from, fromLife, target, fail, done: resolve, near: null }
    const stopWaiting = this.#deps.clock.after(DIAL_TIMEOUT_MS, () => fail('no answer'))
    const onAbort = (): void => giveUp(dialAborted(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    if (this.#deps.prng.below(100) < this.#options.dialFailPercent) {
      this.#deps.clock.after(1 + this.#deps.prng.below(1000), () => fail('the path dropped it'))
    } else if (to !== null && wires !== null) {
      this.#handshake(step, to, wires)
    }
    try {
      return await fromLife.guard(promise)
    } finally {
      stopWaiting()
      signal.removeEventListener('abort', onAbort)
    }
  }

  #handshake(step: Handshake, to: Machine, wires: Wires): void {
    const { from, target, fail } = step
    const serial = `#${this.#serial++}`
    wires.there.send(HANDSHAKE_BYTES, () => {
      this.delivered(from.id, to.id, `${serial} syn`)
      if (!to.hasPower) return
      const { listener } = to
      wires.back.send(HANDSHAKE_BYTES, () => {
        this.delivered(to.id, from.id, `${serial} ${listener === null ? 'refused' : 'syn-ack'}`)
        if (step.fromLife.isOver) return
        if (listener === null) return fail('connection refused')
        if (to.id !== target.nodeId) return fail('another node answered')
        if (from.listener?.acceptor.admits(to.id, 'outbound') !== true) return fail('not admitted')
        wires.there.send(HANDSHAKE_BYTES, () => {
          this.delivered(from.id, to.id, `${serial} noise`)
          if (to.listener === listener && !listener.life.isOver)
            this.#answer(step, to, wires, serial)
          else if (to.hasPower) wires.back.send(HANDSHAKE_BYTES, () => fail('connection reset'))
        })
      })
    })
  }

  #answer(step: Handshake, to: Machine, wires: Wires, serial: string): void {
    const { from, fail, done } = step
    const there = to.listener
    if (there === null) return
    if (!there.acceptor.admits(from.id, 'inbound')) {
      wires.back.send(HANDSHAKE_BYTES, () => fail('the peer closed the connection'))
      return
    }
    const far = this.#end(to, from, { ...there, out: wires.back }, { serial, direction: 'inbound' })
    // The dialler's end exists before it knows: what it is sent meanwhile arrives after the answer.
    const acceptor = from.listener?.acceptor
    if (acceptor === undefined) return
    const near = this.#end(
      from,
      to,
      { acceptor, life: step.fromLife, out: wires.there },
      { serial, direction: 'outbound' }
    )
    step.near = near
    far.pair(near)
    near.pair(far)
    wires.back.send(HANDSHAKE_BYTES, () => {
      this.delivered(to.id, from.id, `${serial} connected`)
      if (step.fromLife.isOver || !near.isOpen) return
      acceptor.connected(near)
      done(near)
    })
    there.acceptor.connected(far)
  }

  #end(
    own: Machine,
    peer: Machine,
    deps: { acceptor: ConnectionAcceptor; life: Life; out: Wire },
    options: { serial: string; direction: 'inbound' | 'outbound' }
  ): ConnectionEnd {
    const { acceptor, life, out } = deps
    const end = new ConnectionEnd(
      { fabric: this, acceptor, life, out },
      { self: own.id, peer: peer.id, remoteAddress: peer.address, ...options }
    )
    own.connections.add(end)
    void end.gone.then(() => own.connections.delete(end))
    return end
  }

  #listenerAt(target: DialTarget): Machine | null {
    for (const address of target.addresses) {
      const place = address.split('/p2p/')[0]
      for (const machine of this.#machines.values()) {
        if (machine.address.split('/p2p/')[0] === place) return machine
      }
    }
    return null
  }

  #wires(from: Machine, to: Machine): Wires {
    const { clock } = this.#deps
    return {
      there: new Wire({ clock, link: this.link(from.id, to.id) }),
      back: new Wire({ clock, link: this.link(to.id, from.id) })
    }
  }

  #machine(id: NodeId): Machine {
    const machine = this.#machines.get(id)
    if (machine === undefined) throw new Error(`There is no machine ${id}`)
    return machine
  }

  #short(id: NodeId): string {
    return String([...this.#machines.keys()].indexOf(id))
  }
}

interface Handshake {
  readonly from: Machine
  readonly fromLife: Life
  readonly target: DialTarget
  readonly fail: (why: string) => void
  readonly done: (connection: Connection) => void
  /** The dialler's end, from when the other side has its own. */
  near: ConnectionEnd | null
}

interface Wires {
  readonly there: Wire
  readonly back: Wire
}

class MachineNetwork implements Network {
  readonly self: NodeId
  readonly #fabric: SimNetwork
  readonly #machine: Machine
  readonly #life: Life

  constructor(deps: { fabric: SimNetwork; machine: Machine; life: Life }) {
    this.#fabric = deps.fabric
    this.#machine = deps.machine
    this.#life = deps.life
    this.self = deps.machine.id
    deps.machine.protocols.clear()
    deps.life.onEnd(() => {
      if (this.#machine.listener?.life === this.#life) this.#machine.listener = null
    })
  }

  async start(acceptor: ConnectionAcceptor): Promise<void> {
    this.#machine.listener = { acceptor, life: this.#life }
  }

  addresses(): readonly string[] {
    return this.#machine.listener?.life === this.#life ? [this.#machine.address] : []
  }

  handle(protocols: readonly string[]): void {
    for (const protocol of protocols) this.#machine.protocols.add(protocol)
  }

  unhandle(protocols: readonly string[]): void {
    for (const protocol of protocols) this.#machine.protocols.delete(protocol)
  }

  dial(target: DialTarget, signal: AbortSignal): Promise<Connection> {
    return this.#fabric.connect(this.#machine, this.#life, target, signal)
  }

  async stop(): Promise<void> {
    if (this.#machine.listener?.life !== this.#life) return
    this.#machine.listener = null
    await Promise.all([...this.#machine.connections].map((end) => end.close()))
  }
}

function dialFailed(peer: NodeId, why: string): WeaverError {
  return new WeaverError('MESH_DIAL_FAILED', `Cannot dial ${peer}: ${why}`, { retry: 'later' })
}

function dialAborted(signal: AbortSignal): WeaverError {
  return new WeaverError('MESH_DIAL_ABORTED', 'Cannot dial: given up', { cause: signal.reason })
}
