// Under which name a mesh's members look for each other on a LAN.

import { shake256, toHex, utf8 } from '../../core/index.ts'
import type { MeshId } from '../../core/index.ts'

const DOMAIN = 'weft/lan-tag/1'

/**
 * A DNS service of its own for each mesh, so that two of them on one LAN never mix. It is a hash: who
 * listens on the LAN does not learn the mesh's id, which protocols carry.
 */
export function lanTag(mesh: MeshId): string {
  return `_weft-${toHex(shake256(DOMAIN, utf8(mesh))).slice(0, 12)}._udp.local`
}
