// A mesh on paper: the statements that make some keys members, as docs/chain-format.md has them.

import { encodeCbor, meshIdOf, shake256 } from '../../../core/index.ts'
import type { Cbor, NodeId, Signer } from '../../../core/index.ts'
import type { BundleOptions } from '../../../chain/index.ts'

export function statement(signer: Signer, body: { readonly [key: string]: Cbor }): Uint8Array {
  const bytes = encodeCbor({ v: 1, ...body })
  return encodeCbor([bytes, signer.nodeId, signer.sign('weft/statement/1', bytes)])
}

/** The first signer founds the mesh and admits the rest. */
export function meshOf(founder: Signer, ...others: readonly Signer[]): BundleOptions {
  const genesis = { kind: 'genesis', node: founder.nodeId, name: 'founder', role: 'admin' }
  const nonce = new Uint8Array(16).fill(9)
  const body = encodeCbor({ v: 1, ...genesis, nonce, at: 1 })
  const hash = shake256(
    'weft/statement/1',
    shake256('weft/statement-body/1', body),
    encodeCbor(founder.nodeId)
  )
  const id = meshIdOf(hash)
  const admits = others.map(({ nodeId }, index) =>
    statement(founder, {
      kind: 'admit',
      mesh: id,
      node: nodeId,
      name: `node-${index}`,
      role: 'member',
      invite: '0'.repeat(32),
      at: 2
    })
  )
  const members = new Set<NodeId>([founder, ...others].map(({ nodeId }) => nodeId))
  return {
    mesh: { id, statements: [statement(founder, { ...genesis, nonce, at: 1 }), ...admits] },
    isMember: (node) => members.has(node)
  }
}
