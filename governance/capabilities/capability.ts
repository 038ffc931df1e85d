// Authority that travels: a token that a node issues for one task, and that everybody who holds it can only
// narrow (Biscuit, https://doc.biscuitsec.org; after macaroons, NDSS 2014).
//
// Invariants
//   C1. A token that leaves its node holds for one task and epoch, on one node, until one time. What a kernel
//       keeps for a process of its own is not bound to a task before it is handed on, and never leaves.
//   C2. What is made from a token allows nothing that the token does not: each block adds a check.
//   C3. A token says what its holder may at most do. Whether it is done, the node decides by its own policy.
//   C4. A token is worth what its issuer is: nothing, with all that was made from it, once that is no member.

import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  isSignedBy,
  nodeId,
  utf8
} from '../../core/index.ts'
import type { Entropy, Epoch, Grant, NodeId, Signer, TaskId, UnixMillis } from '../../core/index.ts'
import { biscuitEngine } from './biscuit.ts'
import type { BiscuitEngine } from './biscuit.ts'
import { authorizerOf, blockOf } from './datalog.ts'
import type { Bounds } from './datalog.ts'
import { CapabilityError } from './errors.ts'
import {
  BLOCKS_MAX,
  GRANTS_MAX,
  KEY_LIFE_MS,
  TOKEN_BYTES_MAX,
  TOKEN_LIFE_MAX_MS
} from './limits.ts'

const FORMAT = 1
const KEY_DOMAIN = 'weft/capability/1'
const KEY_BYTES = 32

export interface CapabilitiesDeps {
  readonly signer: Signer
  readonly entropy: Entropy
  readonly wall: () => UnixMillis
  /** Whose tokens count; asked at every check. */
  readonly mayIssue: (node: NodeId) => boolean
}

/** What a new token is for. */
export interface Claims {
  /** Null, with the epoch: for an agent, which is no task. */
  readonly task: TaskId | null
  readonly epoch: Epoch | null
  /** The only node on which it holds. */
  readonly node: NodeId
  readonly grants: readonly Grant[]
  /** Null: as long as a token may. */
  readonly until: UnixMillis | null
}

/** What of a token is handed on, and what for. */
export interface Narrower {
  readonly grants: readonly Grant[]
  readonly until?: UnixMillis
  readonly task?: TaskId
  readonly epoch?: Epoch
  readonly node?: NodeId
}

/** What a token is shown for. */
export interface ShownFor {
  /** Who handed it over: a token of another is worth nothing in their hands. */
  readonly issuer: NodeId
  /** Null where it is no task: a token that was bound to one does not hold then. */
  readonly task: TaskId | null
  readonly epoch: Epoch | null
  readonly node: NodeId
  readonly grants: readonly Grant[]
}

export type Verdict =
  | { readonly kind: 'held' }
  | { readonly kind: 'refused'; readonly reason: string }

/** Issues, narrows and checks tokens. Opaque bytes to everybody else. */
export interface Capabilities {
  issue(claims: Claims): Promise<Uint8Array>
  /** For a process of this node. It never leaves: what leaves is narrowed to a task, an epoch and a node (C1). */
  stock(grants: readonly Grant[]): Promise<Uint8Array>
  /** @throws WeaverError `GOVERNANCE_CAPABILITY_INVALID` for what is no token, or one too often narrowed */
  narrow(token: Uint8Array, narrower: Narrower): Promise<Uint8Array>
  /** Total: whatever the bytes are. */
  check(token: Uint8Array, shown: ShownFor): Promise<Verdict>
}

/** The key that signs tokens is not the node's own, which signs nothing that it did not encode itself. */
interface IssuingKey {
  readonly secret: Uint8Array
  readonly key: Uint8Array
  readonly until: number
  readonly certificate: Uint8Array
}

interface Envelope {
  readonly issuer: NodeId
  readonly key: Uint8Array
  readonly until: number
  readonly certificate: Uint8Array
  readonly token: Uint8Array
}

export function createCapabilities(deps: CapabilitiesDeps): Capabilities {
  const { signer, wall, mayIssue } = deps
  let issuing: IssuingKey | null = null
  const issuingKey = (engine: BiscuitEngine): IssuingKey => {
    // Renewed early enough that no token outlives the key that signed it.
    if (issuing === null || issuing.until < wall() + TOKEN_LIFE_MAX_MS)
      issuing = newKey(deps, engine)
    return issuing
  }
  const minted = async (bounds: Bounds & Pick<Claims, 'grants'>): Promise<Uint8Array> => {
    const engine = await biscuitEngine()
    if (bounds.grants.length > GRANTS_MAX)
      throw new CapabilityError(`more than ${GRANTS_MAX} grants`)
    const { secret, ...key } = issuingKey(engine)
    const until = Math.min(bounds.until ?? Infinity, wall() + TOKEN_LIFE_MAX_MS)
    const token = engine.mint(secret, blockOf({ ...bounds, until }))
    return formatEnvelope({ issuer: signer.nodeId, ...key, token })
  }
  return {
    issue: ({ task, epoch, until, ...claims }) =>
      minted({
        ...claims,
        ...(task === null ? {} : { task }),
        ...(epoch === null ? {} : { epoch }),
        ...(until === null ? {} : { until })
      }),
    stock: (grants) => minted({ grants }),
    narrow: async (bytes, narrower) => {
      const engine = await biscuitEngine()
      const envelope = opened(bytes)
      if (blocksOf(engine, envelope) >= BLOCKS_MAX) {
        throw new CapabilityError(
          `it has been narrowed ${BLOCKS_MAX - 1} times, the most there may be`
        )
      }
      const token = engine.append(envelope.token, envelope.key, blockOf(narrower))
      return formatEnvelope({ ...envelope, token })
    },
    check: async (bytes, shown) => {
      try {
        const engine = await biscuitEngine()
        return checked(engine, parseEnvelope(bytes), { ...shown, time: wall(), mayIssue })
      } catch (error) {
        return refused(error instanceof Error ? error.message : 'it cannot be read')
      }
    }
  }
}

interface Check extends ShownFor {
  readonly time: number
  readonly mayIssue: (node: NodeId) => boolean
}

function checked(engine: BiscuitEngine, envelope: Envelope | null, check: Check): Verdict {
  if (envelope === null) return refused('it is no token that this version knows')
  const { issuer, key, until, token } = envelope
  if (issuer !== check.issuer) return refused(`node ${issuer} has issued it, not who shows it`)
  if (!check.mayIssue(issuer)) return refused(`node ${issuer} is no member`) // C4
  if (until < check.time) return refused('the key that signed it has run out')
  if (!isCertified(envelope)) return refused('its key is not certified by the node that issued it')
  const { blocks, refusal } = engine.verify(token, key, authorizerOf(check))
  if (blocks > BLOCKS_MAX) return refused('it has been narrowed too often')
  return refusal === null ? { kind: 'held' } : refused(refusal)
}

function refused(reason: string): Verdict {
  return { kind: 'refused', reason }
}

function newKey({ signer, entropy, wall }: CapabilitiesDeps, engine: BiscuitEngine): IssuingKey {
  const secret = entropy.bytes(KEY_BYTES)
  const key = engine.publicKeyOf(secret)
  const until = wall() + KEY_LIFE_MS
  return { secret, key, until, certificate: signer.sign(KEY_DOMAIN, certified(key, until)) }
}

function isCertified({ issuer, key, until, certificate }: Envelope): boolean {
  return isSignedBy(issuer, KEY_DOMAIN, certified(key, until), certificate)
}

/** 32 bytes, then decimal digits: nothing else has the same bytes. */
function certified(key: Uint8Array, until: number): Uint8Array {
  return concatBytes(key, utf8(String(until)))
}

/** @throws WeaverError `GOVERNANCE_CAPABILITY_INVALID` */
function opened(bytes: Uint8Array): Envelope {
  const envelope = parseEnvelope(bytes)
  if (envelope === null) throw new CapabilityError('it is no token that this version knows')
  return envelope
}

/** @throws WeaverError `GOVERNANCE_CAPABILITY_INVALID` */
function blocksOf(engine: BiscuitEngine, { token, key }: Envelope): number {
  try {
    return engine.blocks(token, key)
  } catch (error) {
    throw new CapabilityError('its signatures do not fit', error)
  }
}

function formatEnvelope({ issuer, key, until, certificate, token }: Envelope): Uint8Array {
  return encodeCbor({ version: FORMAT, issuer, key, until, certificate, token })
}

/** Null for whatever is not a token's envelope, whole and canonical. */
function parseEnvelope(bytes: Uint8Array): Envelope | null {
  if (bytes.length > TOKEN_BYTES_MAX) return null
  let value: unknown
  try {
    value = decodeCbor(bytes)
    if (typeof value !== 'object' || value === null || !('version' in value)) return null
    const { version, issuer, key, until, certificate, token } = { ...NOTHING, ...value }
    const isWhole =
      version === FORMAT &&
      typeof issuer === 'string' &&
      key instanceof Uint8Array &&
      key.length === KEY_BYTES &&
      typeof until === 'number' &&
      Number.isSafeInteger(until) &&
      certificate instanceof Uint8Array &&
      token instanceof Uint8Array
    if (!isWhole) return null
    const envelope = { issuer: nodeId(issuer), key, until, certificate, token }
    return equalBytes(formatEnvelope(envelope), bytes) ? envelope : null
  } catch {
    return null // From a peer: anything may be in it.
  }
}

const NOTHING: Readonly<Record<keyof Envelope | 'version', unknown>> = {
  version: null,
  issuer: null,
  key: null,
  until: null,
  certificate: null,
  token: null
}
