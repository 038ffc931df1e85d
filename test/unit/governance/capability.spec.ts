// Goal: a capability allows what was said when it was issued, less what each holder took away, and is worth
// nothing for another task, epoch, node or time, or in other hands.
// Method: real tokens; fast-check draws grants, and `isGrantWithin` says what each may do.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  areGrantsWithin,
  epoch,
  millis,
  nodeId,
  parseGrant,
  signerFromSeed,
  taskId,
  unixMillis
} from '../../../core/index.ts'
import type { Grant } from '../../../core/index.ts'
import { systemEntropy } from '../../../core/system.ts'
import { createCapabilities } from '../../../governance/capabilities/capability.ts'
import type { Capabilities, ShownFor } from '../../../governance/capabilities/capability.ts'
import { testNode } from '../../doubles/peer-directory.ts'

const HOUR = millis(3_600_000)
const signer = signerFromSeed(systemEntropy.bytes(32))
const issuer = signer.nodeId
const task = taskId('0123456789abcdef')
const claims = { task, epoch: epoch(2), node: testNode(2), until: null }
const shown: ShownFor = { issuer, task, epoch: epoch(2), node: testNode(2), grants: [] }
const grants = (...texts: readonly string[]): readonly Grant[] => texts.map(parseGrant)

const segment = fc.constantFrom('a', 'ab', 'b')
const path = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`)
const name = fc.array(segment, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
const host = fc.oneof(
  name,
  name.map((domain) => `*.${domain}`),
  fc.constant('*')
)
const grant = fc
  .oneof(
    fc.tuple(fc.constantFrom('fs.read', 'fs.write'), path).map(([kind, at]) => `${kind}:${at}`),
    fc.tuple(host, fc.constantFrom('*', '80', '443')).map(([at, port]) => `net:${at}:${port}`),
    fc
      .tuple(fc.constantFrom('tool', 'ipc'), fc.constantFrom('*', 'a', 'b'))
      .map((p) => p.join(':')),
    fc.constantFrom('spawn', 'env:A', 'secret:A', 'secret:B')
  )
  .map(parseGrant)
const someGrants = fc.array(grant, { maxLength: 4 })

describe('governance/capability', () => {
  let now = unixMillis(1_800_000_000_000)
  let members: Set<string>
  let capabilities: Capabilities

  beforeEach(() => {
    now = unixMillis(1_800_000_000_000)
    members = new Set([issuer])
    capabilities = createCapabilities({
      signer,
      entropy: systemEntropy,
      wall: () => now,
      mayIssue: (node) => members.has(node)
    })
  })

  const holds = async (token: Uint8Array, change: Partial<ShownFor> = {}): Promise<boolean> => {
    const verdict = await capabilities.check(token, { ...shown, ...change })
    return verdict.kind === 'held'
  }

  it('holds for what it was issued for, and for nothing else (C1)', async () => {
    const token = await capabilities.issue({ ...claims, grants: grants('fs.read:/data') })
    assert.equal(await holds(token), true)
    assert.equal(await holds(token, { grants: grants('fs.read:/data/x') }), true)
    assert.equal(await holds(token, { grants: grants('fs.read:/data', 'fs.write:/data') }), false)
    assert.equal(await holds(token, { task: taskId('fedcba9876543210') }), false)
    assert.equal(await holds(token, { epoch: epoch(3) }), false)
    assert.equal(await holds(token, { node: testNode(3) }), false)
    assert.equal(await holds(token, { issuer: testNode(4) }), false)
  })

  it('runs out when it was said to, and at last after a week', async () => {
    const short = await capabilities.issue({ ...claims, grants: [], until: unixMillis(now + HOUR) })
    const long = await capabilities.issue({ ...claims, grants: [] })
    now = unixMillis(now + HOUR)
    assert.equal(await holds(short), true)
    now = unixMillis(now + 1)
    assert.equal(await holds(short), false)
    now = unixMillis(now + 7 * 24 * HOUR)
    assert.equal(await holds(long), false)
  })

  it('what is made from a token allows what both allow, whatever the grants are (C2)', async () => {
    await fc.assert(
      fc.asyncProperty(someGrants, someGrants, grant, async (first, second, wanted) => {
        const parent = await capabilities.issue({ ...claims, grants: first })
        const child = await capabilities.narrow(parent, { grants: second })
        const isParent = areGrantsWithin([wanted], first)
        assert.equal(await holds(parent, { grants: [wanted] }), isParent)
        const isBoth = isParent && areGrantsWithin([wanted], second)
        assert.equal(await holds(child, { grants: [wanted] }), isBoth)
      }),
      { numRuns: 300 }
    )
  })

  it('narrowing cannot lengthen its life', async () => {
    const token = await capabilities.issue({ ...claims, grants: [], until: unixMillis(now + HOUR) })
    const longer = await capabilities.narrow(token, {
      grants: [],
      until: unixMillis(now + 9 * HOUR)
    })
    const shorter = await capabilities.narrow(token, { grants: [], until: unixMillis(now + 1) })
    now = unixMillis(now + 2)
    assert.deepEqual([await holds(longer), await holds(shorter)], [true, false])
    now = unixMillis(now + HOUR)
    assert.equal(await holds(longer), false)
  })

  it('a token of a node that is no member is worth nothing, nor what was made from it (C4)', async () => {
    const parent = await capabilities.issue({ ...claims, grants: grants('spawn') })
    const child = await capabilities.narrow(parent, { grants: grants('spawn') })
    assert.equal(await holds(child), true)
    members.delete(issuer)
    assert.deepEqual([await holds(parent), await holds(child)], [false, false])
  })

  it('refuses a token with any byte changed', async () => {
    const token = await capabilities.issue({ ...claims, grants: grants('fs.read:/data') })
    const wanted = { grants: grants('fs.read:/data') }
    for (let at = 0; at < token.length; at += 1) {
      const changed = token.map((byte, index) => (index === at ? byte ^ 4 : byte))
      assert.equal(await holds(changed, wanted), false, `byte ${at}`)
    }
  })

  it('refuses a token of which the last block was cut off', async () => {
    const parent = await capabilities.issue({ ...claims, grants: grants('spawn') })
    const child = await capabilities.narrow(parent, { grants: [] })
    for (let length = 0; length < child.length; length += 1) {
      assert.equal(await holds(child.subarray(0, length)), false)
    }
  })

  it('refuses a token that one node signed and says another did', async () => {
    const thief = createCapabilities({
      signer: signerFromSeed(systemEntropy.bytes(32)),
      entropy: systemEntropy,
      wall: () => now,
      mayIssue: () => true
    })
    const token = await thief.issue({ ...claims, grants: grants('spawn') })
    const own = await capabilities.issue({ ...claims, grants: [] })
    assert.equal(await holds(token), false)
    // The issuer's name over the thief's token: the certificate is over another key.
    const named = Buffer.from(token).toString('latin1')
    const forged = named.replace(/12D3KooW\w+/, String(nodeId(issuer)))
    assert.notEqual(forged, named)
    assert.equal(await holds(new Uint8Array(Buffer.from(forged, 'latin1'))), false)
    assert.equal(await holds(own), true)
  })

  it('refuses to be narrowed for ever, and to be made of what is no token', async () => {
    let token = await capabilities.issue({ ...claims, grants: [] })
    for (let block = 1; block < 8; block += 1) {
      token = await capabilities.narrow(token, { grants: [] })
    }
    const invalid = { code: 'GOVERNANCE_CAPABILITY_INVALID' }
    await assert.rejects(capabilities.narrow(token, { grants: [] }), invalid)
    assert.equal(await holds(token), true)
    await assert.rejects(capabilities.narrow(new Uint8Array(9), { grants: [] }), invalid)
    const many = Array.from({ length: 65 }, (_, at) => parseGrant(`env:A${at}`))
    await assert.rejects(capabilities.issue({ ...claims, grants: many }), invalid)
  })

  it('is total: no bytes of a peer make it throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        assert.equal(await holds(bytes), false)
      }),
      { numRuns: 500 }
    )
    assert.equal(await holds(new Uint8Array(40_000)), false)
  })

  it('a grant is text to it, never code', async () => {
    const odd = grants('fs.read:/a"); allow if true; //', "fs.read:/b'{p0}\\")
    const token = await capabilities.issue({ ...claims, grants: odd })
    assert.equal(await holds(token, { grants: odd }), true)
    assert.equal(await holds(token, { grants: grants('fs.read:/a') }), false)
    assert.equal(await holds(token, { grants: grants('spawn') }), false)
  })
})
