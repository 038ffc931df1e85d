// Rumours on the wire: each signed by whoever says it, so that a member that passes one on can neither
// invent nor change it. Formats: docs/formats/mesh.md, section 4.

import { decodeCbor, encodeCbor, isSignedBy, nodeId, toHex } from '../../core/index.ts'
import type { MeshId, Signer } from '../../core/index.ts'
import { fieldsOf } from '../exchange.ts'
import { RUMOURS_PER_MESSAGE_MAX, RUMOURS_REMEMBERED_MAX } from '../limits.ts'
import type { Rumour, SwimMessage, SwimState } from './messages.ts'
import type { Cbor } from '../../core/index.ts'

const SIGNATURE_DOMAIN = 'weft/rumour/1'
const STATES: readonly SwimState[] = ['alive', 'suspect', 'dead', 'left']
const KINDS: readonly SwimMessage['kind'][] = ['ping', 'ack', 'ask', 'nack', 'gossip']
const RUMOUR_BYTES_MAX = 512

export class RumourWire {
  readonly #signer: Signer
  readonly #meshId: () => MeshId | null
  /** Signed bytes of rumours, by what they say: made here, or checked. */
  readonly #bytes = new Map<string, Uint8Array>()
  readonly #checked = new Map<string, Rumour>()

  constructor(deps: { readonly signer: Signer; readonly meshId: () => MeshId | null }) {
    this.#signer = deps.signer
    this.#meshId = deps.meshId
  }

  encode(message: SwimMessage): Cbor {
    const { kind, sequence, target, isClosed, rumours } = message
    const signed = rumours.flatMap((rumour) => this.bytesOf(rumour) ?? [])
    return { kind, sequence, target, isClosed, rumours: signed }
  }

  /** Null where `value` is no message. Rumours in it that are not well signed are left out. */
  decode(value: unknown): SwimMessage | null {
    const { kind, sequence, target, isClosed, rumours } = fieldsOf(value)
    const known = KINDS.find((each) => each === kind)
    if (
      known === undefined ||
      typeof sequence !== 'number' ||
      !Number.isSafeInteger(sequence) ||
      (target !== null && typeof target !== 'string') ||
      typeof isClosed !== 'boolean' ||
      !Array.isArray(rumours)
    ) {
      return null
    }
    const read = rumours.slice(0, RUMOURS_PER_MESSAGE_MAX).flatMap((each) => this.read(each) ?? [])
    return { kind: known, sequence, target, isClosed, rumours: read }
  }

  /** Null for another's rumour that this node has no signature of (any more). */
  bytesOf(rumour: Rumour): Uint8Array | null {
    const mesh = this.#meshId()
    if (mesh === null) return null
    const said = saidOf(mesh, rumour)
    const key = toHex(said)
    const known = this.#bytes.get(key)
    if (known !== undefined) return known
    if (rumour.by !== this.#signer.nodeId) return null
    const { node, state, incarnation, by } = rumour
    const signature = this.#signer.sign(SIGNATURE_DOMAIN, said)
    const bytes = encodeCbor([node, STATES.indexOf(state), incarnation, by, signature])
    remember(this.#bytes, key, bytes)
    return bytes
  }

  /** A rumour, if whoever says it has signed it, and may say so: of oneself that one lives or has left. */
  read(bytes: unknown): Rumour | null {
    const mesh = this.#meshId()
    if (mesh === null || !(bytes instanceof Uint8Array) || bytes.length > RUMOUR_BYTES_MAX)
      return null
    const name = `${mesh}${toHex(bytes)}`
    const checked = this.#checked.get(name)
    if (checked !== undefined) return checked
    try {
      const parts: unknown = decodeCbor(bytes)
      if (!Array.isArray(parts) || parts.length !== 5) return null
      const [node, code, incarnation, by, signature]: unknown[] = parts
      const state = typeof code === 'number' ? STATES[code] : undefined
      if (
        state === undefined ||
        typeof incarnation !== 'number' ||
        !Number.isSafeInteger(incarnation) ||
        incarnation < 0 ||
        !(signature instanceof Uint8Array)
      ) {
        return null
      }
      const rumour = { node: nodeId(String(node)), state, incarnation, by: nodeId(String(by)) }
      const isOwnWord = state === 'alive' || state === 'left'
      if (isOwnWord && rumour.by !== rumour.node) return null
      const said = saidOf(mesh, rumour)
      if (!isSignedBy(rumour.by, SIGNATURE_DOMAIN, said, signature)) return null
      remember(this.#checked, name, rumour)
      remember(this.#bytes, toHex(said), bytes)
      return rumour
    } catch {
      return null // Not canonical, or ids that are none: as if it had not come.
    }
  }
}

function saidOf(mesh: MeshId, { node, state, incarnation, by }: Rumour): Uint8Array {
  return encodeCbor([mesh, node, state, incarnation, by])
}

/** The oldest gives way: it is checked, or signed, again if it comes back. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value)
  if (map.size <= RUMOURS_REMEMBERED_MAX) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
