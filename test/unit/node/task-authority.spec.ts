import assert from 'node:assert/strict'
import {
  DEFAULT_SANDBOX,
  epoch,
  parseGrant,
  signerFromSeed,
  taskId,
  unixMillis
} from '../../../core/index.ts'
import type { Grant, NodeId } from '../../../core/index.ts'
import { systemEntropy } from '../../../core/system.ts'
import { createCapabilities } from '../../../governance/index.ts'
import type { Capabilities } from '../../../governance/index.ts'
import { RightsBook } from '../../../node/asking/rights.ts'
import { checkingAuthority, withAuthority } from '../../../node/task-authority.ts'
import type {
  ExecutorClient,
  Offer,
  OfferAnswer,
  ServedExecutor
} from '../../../scheduler/index.ts'
import { testNode } from '../../doubles/peer-directory.ts'
import { testSpec } from '../scheduler/fixtures.ts'

const origin = signerFromSeed(systemEntropy.bytes(32))
const self = testNode(7)
const ACCEPTED: OfferAnswer = { kind: 'accepted', revision: 1, gpus: [] }

function capabilitiesOf(signer: typeof origin, members: ReadonlySet<NodeId>): Capabilities {
  return createCapabilities({
    signer,
    entropy: systemEntropy,
    wall: () => unixMillis(1_800_000_000_000),
    mayIssue: (node) => members.has(node)
  })
}

function offerOf(...grants: readonly string[]): Offer {
  const sandbox = { ...DEFAULT_SANDBOX, grants: grants.map(parseGrant) }
  return { taskId: taskId('0123456789abcdef'), epoch: epoch(1), spec: testSpec({ sandbox }) }
}

describe('node/task-authority', () => {
  let reached: Offer[]
  let members: Set<NodeId>
  const proofs = new RightsBook({ self })
  let send: (offer: Offer, change?: (sent: Offer) => Offer) => Promise<OfferAnswer>

  beforeEach(() => {
    reached = []
    members = new Set([origin.nodeId])
    const executor: Pick<ServedExecutor, 'offer'> = {
      offer: async (_, offer) => {
        reached.push(offer)
        return ACCEPTED
      }
    }
    const capabilities = capabilitiesOf(signerFromSeed(systemEntropy.bytes(32)), members)
    const served = checkingAuthority(executor as ServedExecutor, { self, capabilities, proofs })
    send = async (offer, change = (sent) => sent) => {
      const wire: Pick<ExecutorClient, 'offer'> = {
        offer: (_, sent) => served.offer(origin.nodeId, change(sent))
      }
      const client = withAuthority(wire as ExecutorClient, (claims) =>
        capabilitiesOf(origin, members).issue({ ...claims, until: null })
      )
      return await client.offer(self, offer)
    }
  })

  const refused = async (offer: Offer, change: (sent: Offer) => Offer): Promise<void> => {
    const answer = await send(offer, change)
    assert.deepEqual([answer.kind, reached], ['refused', []])
  }

  it('an offer proves what it asks for; one that asks for nothing needs no proof', async () => {
    assert.deepEqual(await send(offerOf('secret:A', 'net:example.com:443')), ACCEPTED)
    assert.ok(reached[0]?.authority instanceof Uint8Array)
    assert.deepEqual(await send(offerOf()), ACCEPTED)
    assert.equal(reached[1]?.authority, undefined)
  })

  it('an offer without proof, or that asks for more than it proves, reaches no executor', async () => {
    await refused(offerOf('secret:A'), (sent) => ({ ...sent, authority: undefined }))
    const more =
      (grants: readonly Grant[]) =>
      (sent: Offer): Offer => {
        const sandbox = { ...sent.spec.sandbox, grants: [...sent.spec.sandbox.grants, ...grants] }
        return { ...sent, spec: { ...sent.spec, sandbox } }
      }
    await refused(offerOf('fs.read:/data'), more([parseGrant('fs.write:/data')]))
    await refused(offerOf('fs.read:/data'), more([parseGrant('fs.read:/')]))
  })

  it('proof of one epoch is none for the next (attack 19)', async () => {
    await refused(offerOf('secret:A'), (sent) => ({ ...sent, epoch: epoch(2) }))
    await refused(offerOf('secret:A'), (sent) => ({ ...sent, taskId: taskId('fedcba9876543210') }))
  })

  it('a node that is no member any more proves nothing (attack 9)', async () => {
    members.clear()
    await refused(offerOf('secret:A'), (sent) => sent)
  })
})
