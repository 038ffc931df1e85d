// The first words on every connection between members, before RPC: who runs here, and is it the one we
// know. The dialler speaks first; the third message tells the other side what became of its hello.
//
//   dialler  -> {v, versions, mesh, name, generation, bootId, addresses, claim, nonce}
//   acceptor -> the same, or {error, versions, evidence}
//   dialler  -> {ok: true}, or {error, versions, evidence}

import type { Cbor, MeshId } from '../../core/index.ts'
import { isCount } from '../documents/envelope.ts'
import { MeshError } from '../errors.ts'
import { fieldsOf } from '../exchange.ts'
import type { Exchange } from '../exchange.ts'
import { HELLO_BYTES_MAX, PROTOCOL_VERSIONS } from '../limits.ts'
import { CLAIM_NONCE_BYTES } from './claim.ts'
import { parseIncarnation } from './incarnation.ts'
import type { Incarnation } from './incarnation.ts'
import { readAddressList } from './joiner.ts'

export interface Hello {
  readonly mesh: MeshId
  readonly name: string
  readonly incarnation: Incarnation
  readonly addresses: readonly string[]
  /** The newest version that both sides speak; in one's own hello, the newest one spoken here. */
  readonly version: number
  /** The signed word for `incarnation`; null from a version that has none. */
  readonly claim: Uint8Array | null
  /** Drawn for this connection: another kernel with this key that signs it lives now. */
  readonly nonce: Uint8Array
}

/** Why a hello is refused, and what proves it to the other side. */
export interface HelloRefusal {
  readonly code: HelloRefusalCode
  /** The signed claim of the other kernel with the key, for a duplicate. */
  readonly evidence: Uint8Array | null
}

/** Of the hello itself. What follows it is negotiated in it, so this stays. */
const HELLO_FORMAT = 1

export type HelloRefusalCode =
  | 'MESH_ALREADY_CONNECTED'
  | 'MESH_DUPLICATE_IDENTITY'
  | 'MESH_HELLO_REFUSED'
  | 'MESH_PROTOCOL_UNSUPPORTED'
  | 'MESH_WRONG_MESH'

const REFUSALS: Readonly<Record<HelloRefusalCode, string>> = {
  MESH_ALREADY_CONNECTED: 'an older connection serves',
  MESH_DUPLICATE_IDENTITY:
    'another kernel with the key of this node is or was running: this home is a copy, or was restored ' +
    'from a backup; use a new home here, or end the other kernel for good',
  MESH_HELLO_REFUSED: 'the peer did not accept it',
  MESH_PROTOCOL_UNSUPPORTED: 'the peer speaks another version; run one version on both',
  MESH_WRONG_MESH: 'the peer is in another mesh'
}

/** A hello that came to nothing. `by` says who refused whom: a duplicate is told apart by it. */
export class HelloRefusedError extends MeshError {
  readonly by: 'us' | 'peer'
  /** Claimed to prove a duplicate: to be checked. */
  readonly evidence: unknown

  constructor(
    code: HelloRefusalCode,
    by: 'us' | 'peer',
    { versions = null, evidence = null }: { versions?: Versions | null; evidence?: unknown } = {}
  ) {
    const retry = code === 'MESH_DUPLICATE_IDENTITY' ? 'never' : 'later'
    const what = by === 'peer' ? 'Cannot enter the mesh' : 'Refused a peer'
    const why = versions === null ? REFUSALS[code] : mismatch(versions)
    super(code, `${what}: ${why}`, { retry })
    this.by = by
    this.evidence = evidence
  }
}

interface Versions {
  readonly oldest: number
  readonly newest: number
}

function mismatch({ oldest, newest }: Versions): string {
  const own = PROTOCOL_VERSIONS
  const where = newest < own.oldest ? 'on the peer' : 'here'
  return (
    `the peer speaks versions ${oldest} to ${newest} of the protocol and this node ${own.oldest} to ` +
    `${own.newest}; update weaver ${where}`
  )
}

export function helloProtocol(mesh: MeshId): string {
  return `/weft/${mesh.slice(0, 16)}/hello/1`
}

/** What the side that holds `judge` thinks of the other: null if all is well. */
export type HelloJudge = (hello: Hello) => Promise<HelloRefusal | null>

/** @throws MeshError with the refusal of either side */
export async function greet(exchange: Exchange, own: Hello, judge: HelloJudge): Promise<Hello> {
  await exchange.send(encodeHello(own))
  const peer = parseHello(await exchange.receive(HELLO_BYTES_MAX), own.mesh)
  const refusal = await judge(peer)
  await exchange.send(refusal === null ? { ok: true } : encodeRefusal(refusal))
  await exchange.end()
  if (refusal !== null) throw new HelloRefusedError(refusal.code, 'us')
  return peer
}

/** @throws MeshError with the refusal of either side */
export async function answerGreeting(
  exchange: Exchange,
  own: Hello,
  judge: HelloJudge
): Promise<Hello> {
  const received = await exchange.receive(HELLO_BYTES_MAX)
  let peer: Hello
  try {
    peer = parseHello(received, own.mesh)
  } catch (error) {
    await exchange.send(encodeRefusal({ code: codeOf(error), evidence: null }))
    await exchange.end()
    throw error
  }
  const refusal = await judge(peer)
  if (refusal !== null) {
    await exchange.send(encodeRefusal(refusal))
    await exchange.end()
    throw new HelloRefusedError(refusal.code, 'us')
  }
  await exchange.send(encodeHello(own))
  const last = fieldsOf(await exchange.receive(HELLO_BYTES_MAX))
  if (last['ok'] !== true) throw refusedByPeer(last)
  await exchange.end()
  return peer
}

function encodeHello(hello: Hello): Cbor {
  const { mesh, name, incarnation, addresses, claim, nonce } = hello
  const versions = [PROTOCOL_VERSIONS.oldest, PROTOCOL_VERSIONS.newest]
  return { v: HELLO_FORMAT, versions, mesh, name, ...incarnation, addresses, claim, nonce }
}

function encodeRefusal({ code, evidence }: HelloRefusal): Cbor {
  const versions = [PROTOCOL_VERSIONS.oldest, PROTOCOL_VERSIONS.newest]
  return { error: code, versions, evidence }
}

function refusedByPeer(fields: Readonly<Record<string, unknown>>): HelloRefusedError {
  const code = refusalCode(fields['error'])
  const isAboutVersions = code === 'MESH_PROTOCOL_UNSUPPORTED'
  const versions = isAboutVersions ? readVersions(fields['versions']) : null
  return new HelloRefusedError(code, 'peer', { versions, evidence: fields['evidence'] })
}

/** A hello that names no versions is of the first one. */
function readVersions(value: unknown): Versions {
  if (!Array.isArray(value)) return { oldest: 1, newest: 1 }
  const [oldest, newest]: unknown[] = value
  if (!isCount(oldest) || !isCount(newest)) return { oldest: 0, newest: 0 }
  return { oldest, newest }
}

function parseHello(value: unknown, mesh: MeshId): Hello {
  const fields = fieldsOf(value)
  if (fields['error'] !== undefined) throw refusedByPeer(fields)
  const versions = readVersions(fields['versions'])
  const version = Math.min(versions.newest, PROTOCOL_VERSIONS.newest)
  const isCommon = version >= Math.max(versions.oldest, PROTOCOL_VERSIONS.oldest)
  if (fields['v'] !== HELLO_FORMAT || !isCommon) {
    throw new HelloRefusedError('MESH_PROTOCOL_UNSUPPORTED', 'us', { versions })
  }
  if (fields['mesh'] !== mesh) throw new HelloRefusedError('MESH_WRONG_MESH', 'us')
  const incarnation = parseIncarnation(value)
  const name = fields['name']
  if (incarnation === null || typeof name !== 'string' || name.length > 63) {
    throw new HelloRefusedError('MESH_HELLO_REFUSED', 'us')
  }
  const { claim, nonce } = fields
  return {
    mesh,
    name,
    incarnation,
    version,
    addresses: readAddressList(fields['addresses']),
    claim: claim instanceof Uint8Array ? claim : null,
    nonce: isNonce(nonce) ? nonce : new Uint8Array()
  }
}

function isNonce(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === CLAIM_NONCE_BYTES
}

function refusalCode(value: unknown): HelloRefusalCode {
  return typeof value === 'string' && isRefusalCode(value) ? value : 'MESH_HELLO_REFUSED'
}

function isRefusalCode(text: string): text is HelloRefusalCode {
  return Object.hasOwn(REFUSALS, text)
}

function codeOf(error: unknown): HelloRefusalCode {
  return error instanceof MeshError ? refusalCode(error.code) : 'MESH_HELLO_REFUSED'
}
