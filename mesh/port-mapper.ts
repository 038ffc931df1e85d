// Asks the router to open this node's ports (UPnP), and keeps them open while it runs.
//
// Invariants
//   U1. A mapping has a lease, is renewed long before its end, and is taken back at stop: a machine that
//       dies leaves the port open for an hour at most.
//   U2. What a router says is bounded, and only it is spoken with.

import { createSocket } from 'node:dgram'
import { request } from 'node:http'
import { underEither } from '../core/index.ts'
import type { Clock, Logger } from '../core/index.ts'
import {
  gatewayIn,
  locationIn,
  refusalIn,
  SEARCH_TARGETS,
  searchRequest,
  soapRequest,
  valueIn
} from './discovery/igd.ts'
import type { Gateway } from './discovery/igd.ts'
import {
  GATEWAY_ANSWER_BYTES_MAX,
  GATEWAY_SEARCH_MS,
  GATEWAY_TIMEOUT_MS,
  GATEWAYS_MAX,
  MAPPING_LEASE_S,
  MAPPING_LOOK_MS,
  MAPPING_PORT_TRIES
} from './discovery/limits.ts'
import { pathKind } from './paths/path.ts'

export interface PortMapperDeps {
  readonly clock: Clock
  readonly log: Logger
  /** The TCP ports of this node that others may dial over IPv4. */
  readonly ports: () => readonly number[]
}

/** What became of it: a router, its open ports as addresses, and what is in the way. */
export interface MappingReport {
  readonly hasGateway: boolean
  readonly addresses: readonly string[]
  readonly problem: string | null
}

export const NOT_MAPPED: MappingReport = { hasGateway: false, addresses: [], problem: null }

interface Mapping {
  readonly gateway: Gateway
  readonly internalPort: number
  readonly externalPort: number
}

export class PortMapper {
  readonly #deps: PortMapperDeps
  readonly #description: string
  readonly #stopping = new AbortController()
  #report = NOT_MAPPED
  #mappings: readonly Mapping[] = []
  #poke = new AbortController()
  #loop: Promise<void> | null = null

  /** `description` is what the router's owner sees beside the port. */
  constructor(deps: PortMapperDeps, options: { readonly description: string }) {
    this.#deps = deps
    this.#description = options.description
  }

  get report(): MappingReport {
    return this.#report
  }

  start(): void {
    this.#loop ??= this.#keep()
  }

  /** The network has changed: there may be another router. */
  changed(): void {
    this.#poke.abort()
  }

  /** Takes the mappings back, within a bounded time. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
    const mappings = this.#mappings
    this.#mappings = []
    this.#report = NOT_MAPPED
    const remote = { NewRemoteHost: '', NewProtocol: 'TCP' }
    const taken = mappings.map(({ gateway, externalPort: NewExternalPort }) =>
      this.#act(gateway, 'DeletePortMapping', { ...remote, NewExternalPort }, unstopped())
    )
    await Promise.allSettled(taken) // A router that is gone has closed them.
  }

  async #keep(): Promise<void> {
    const { clock, log } = this.#deps
    const { signal } = this.#stopping
    while (!signal.aborted) {
      this.#poke = new AbortController()
      try {
        const before = this.#report.addresses.join(' ')
        this.#report = await this.#renew(signal)
        const { addresses, problem } = this.#report
        if (addresses.join(' ') !== before)
          log.info('ports open on the router', { now: addresses.join(' '), problem })
      } catch (error) {
        if (signal.aborted) return
        this.#report = { ...NOT_MAPPED, problem: String(error) }
        log.debug('no ports opened by the router', { error: String(error) })
      }
      const look = (either: AbortSignal): Promise<void> => clock.sleep(MAPPING_LOOK_MS, either)
      await underEither(signal, this.#poke, look).catch(() => undefined) // Stopped, or something is new.
    }
  }

  async #renew(signal: AbortSignal): Promise<MappingReport> {
    const ports = this.#deps.ports()
    if (ports.length === 0) return NOT_MAPPED
    const locations = await this.#locations(signal)
    let report = { ...NOT_MAPPED, hasGateway: locations.length > 0 }
    for (const location of locations) {
      const described = await this.#http(location, null, signal)
      const gateway = gatewayIn(described.text, location)
      if (gateway === null) continue
      report = await this.#open(gateway, { ports, client: described.localAddress }, signal)
      if (report.addresses.length > 0) break
    }
    return report
  }

  async #open(
    gateway: Gateway,
    { ports, client }: { readonly ports: readonly number[]; readonly client: string },
    signal: AbortSignal
  ): Promise<MappingReport> {
    const asked = await this.#act(gateway, 'GetExternalIPAddress', {}, signal)
    const host = valueIn(asked.text, 'NewExternalIPAddress') ?? ''
    if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(host) || pathKind(`/ip4/${host}`) !== 'public') {
      const problem = 'the router itself has no public address: it is behind another NAT'
      return { hasGateway: true, addresses: [], problem }
    }
    const mappings: Mapping[] = []
    let problem: string | null = null
    for (const internalPort of ports) {
      const opened = await this.#openPort(gateway, { internalPort, client }, signal)
      if (typeof opened === 'string') problem = opened
      else mappings.push(opened)
    }
    this.#mappings = mappings
    const addresses = mappings.map(({ externalPort }) => `/ip4/${host}/tcp/${externalPort}`)
    return { hasGateway: true, addresses, problem }
  }

  /** The port itself, or one near it; or why not. */
  async #openPort(
    gateway: Gateway,
    { internalPort, client }: { readonly internalPort: number; readonly client: string },
    signal: AbortSignal
  ): Promise<Mapping | string> {
    const known = this.#mappings.find((each) => each.internalPort === internalPort)
    const first = known?.externalPort ?? internalPort
    let refusal = ''
    let lease = MAPPING_LEASE_S
    for (let tries = 0; tries < MAPPING_PORT_TRIES; tries++) {
      const externalPort = first + tries <= 65_535 ? first + tries : first - tries
      const wish = {
        NewRemoteHost: '',
        NewExternalPort: externalPort,
        NewProtocol: 'TCP',
        NewInternalPort: internalPort,
        NewInternalClient: client,
        NewEnabled: 1,
        NewPortMappingDescription: this.#description,
        NewLeaseDuration: lease
      }
      let answer = await this.#act(gateway, 'AddPortMapping', wish, signal)
      if (!answer.isOk && valueIn(answer.text, 'errorCode') === '725') {
        lease = 0 // For ever: taken back at stop all the same.
        answer = await this.#act(
          gateway,
          'AddPortMapping',
          { ...wish, NewLeaseDuration: 0 },
          signal
        )
      }
      if (answer.isOk) return { gateway, internalPort, externalPort }
      refusal = refusalIn(answer.text)
      if (valueIn(answer.text, 'errorCode') !== '718') break
    }
    return refusal
  }

  #act(
    gateway: Gateway,
    action: string,
    values: Readonly<Record<string, string | number>>,
    signal: AbortSignal
  ): Promise<HttpAnswer> {
    return this.#http(gateway.controlUrl, soapRequest(gateway, action, values), signal)
  }

  /** Routers that answer a search, within GATEWAY_SEARCH_MS; the first to answer is first. */
  async #locations(signal: AbortSignal): Promise<readonly string[]> {
    const found = new Set<string>()
    const done = new AbortController()
    const socket = createSocket({ type: 'udp4' })
    socket.on('error', () => done.abort())
    socket.on('message', (bytes, { address }) => {
      const location = locationIn(bytes.toString('latin1'), address)
      if (location === null) return
      found.add(location)
      // The rest of a household of routers answers in the same moment.
      if (found.size >= GATEWAYS_MAX) done.abort()
    })
    socket.bind(0, () => {
      for (const target of SEARCH_TARGETS) {
        socket.send(searchRequest(target), 1900, '239.255.255.250', () => undefined)
      }
    })
    const { clock } = this.#deps
    const search = (either: AbortSignal): Promise<void> => clock.sleep(GATEWAY_SEARCH_MS, either)
    await underEither(signal, done, search).catch(() => undefined)
    socket.close()
    return [...found]
  }

  /** GET without `soap`, else POST. @throws what the socket says, or that the answer is too long or late */
  async #http(
    url: string,
    soap: { readonly headers: Readonly<Record<string, string>>; readonly body: string } | null,
    signal: AbortSignal
  ): Promise<HttpAnswer> {
    const late = new AbortController()
    const done = new AbortController()
    const timer = this.#deps.clock.sleep(GATEWAY_TIMEOUT_MS, done.signal)
    timer.then(
      () => late.abort(),
      () => undefined // It has answered.
    )
    try {
      return await underEither(signal, late, (either) => exchange(url, soap, either))
    } finally {
      done.abort()
    }
  }
}

interface HttpAnswer {
  readonly isOk: boolean
  readonly text: string
  /** The address of this machine that the router sees. */
  readonly localAddress: string
}

function exchange(
  url: string,
  soap: { readonly headers: Readonly<Record<string, string>>; readonly body: string } | null,
  signal: AbortSignal
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
  const headers = { ...soap?.headers, Connection: 'close' }
  const asked = request(url, {
    method: soap === null ? 'GET' : 'POST',
    headers,
    signal,
    agent: false
  })
  asked.on('error', reject)
  asked.on('response', (response) => {
    const localAddress = response.socket.localAddress ?? ''
    const parts: Buffer[] = []
    let size = 0
    response.on('error', reject)
    response.on('data', (part: Buffer) => {
      size += part.length
      if (size > GATEWAY_ANSWER_BYTES_MAX) asked.destroy(new Error('the router says too much')) // U2
      else parts.push(part)
    })
    response.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8')
      resolve({ isOk: response.statusCode === 200, text, localAddress })
    })
  })
  asked.end(soap?.body)
  return promise
}

function unstopped(): AbortSignal {
  return new AbortController().signal
}
