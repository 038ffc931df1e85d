// The entry by which a node goes on under a new key, signed by both: docs/chain-format.md, "Key rotation".

import { encodeCbor, publicKeyOf } from '../../core/index.ts'
import type { Signer } from '../../core/index.ts'
import type { EntryDraft } from '../entry.ts'
import { ROTATION_DOMAIN, ROTATION_KIND } from '../offline/rotation.ts'

/** To be the last entry of the old key's lane, and to stand in the first block of the new one's. */
export function rotationDraft(oldKey: Signer, newKey: Signer): EntryDraft {
  const body = encodeCbor([1, publicKeyOf(oldKey.nodeId), publicKeyOf(newKey.nodeId)])
  return {
    kind: ROTATION_KIND,
    actor: `node:${oldKey.nodeId}`,
    subject: `node:${newKey.nodeId}`,
    payload: [body, oldKey.sign(ROTATION_DOMAIN, body), newKey.sign(ROTATION_DOMAIN, body)]
  }
}
