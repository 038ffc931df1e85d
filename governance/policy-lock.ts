// What the policies of a home were made from, signed by the home's key: a lock. Policies that are not what the
// lock says are not used until their owner locks them anew. docs/formats/policy.md has the form.

import { z } from 'zod'
import { encodeCbor, fromHex, isSignedBy, shake256, toHex, utf8 } from '../core/index.ts'
import type { NodeId, Signer } from '../core/index.ts'
import type { PolicySource, Rule } from './rules.ts'

/** What a lock is about: the texts, and the rules that came of them. */
export interface LockedSet {
  /** The schema, the project's own policies and those of the home, in order. */
  readonly sources: readonly { readonly name: string; readonly digest: string }[]
  /** Over every rule's name and text, in order. */
  readonly rules: string
}

/** What there is now. Without `rules` the texts alone are compared: the rules follow from them. */
export type FoundSet = Pick<LockedSet, 'sources'> & Partial<LockedSet>

const DOMAIN = 'weft/policy-lock/1'
const DIGEST = z.string().regex(/^[0-9a-f]{64}$/)
const lockSchema = z.strictObject({
  v: z.literal(1),
  by: z.string(),
  madeAt: z.int().min(0),
  sources: z.array(z.strictObject({ name: z.string(), digest: DIGEST })).max(256),
  rules: DIGEST,
  signature: z.string().regex(/^[0-9a-f]{128}$/)
})

export function lockedSet(
  schema: string,
  sources: readonly PolicySource[],
  rules: readonly Rule[]
): LockedSet {
  return {
    sources: [{ name: 'weft.cedarschema', text: schema }, ...sources].map(({ name, text }) => ({
      name,
      digest: sourceDigest(text)
    })),
    rules: toHex(
      shake256('weft/policy-rules/1', encodeCbor(rules.map(({ id, text }) => [id, text])))
    )
  }
}

export function sourceDigest(text: string): string {
  return toHex(shake256('weft/policy-source/1', utf8(text)))
}

/** The text of the lock file. */
export function writeLock(signer: Signer, { sources, rules }: LockedSet, madeAt: number): string {
  const said = { v: 1, by: signer.nodeId, madeAt, sources: [...sources], rules } as const
  const signature = toHex(signer.sign(DOMAIN, signedBytes(said)))
  return `${JSON.stringify({ ...said, signature }, null, 2)}\n`
}

/** What is not as the lock says; empty when all is. A lock that is not this node's own says nothing. */
export function driftFrom(text: string, self: NodeId, now: FoundSet): readonly string[] {
  const parsed = lockSchema.safeParse(parsedJson(text))
  if (!parsed.success) return ['the lock file is no lock']
  const { signature, ...said } = parsed.data
  if (said.by !== self) return ['the lock is of another node']
  if (!isSignedBy(self, DOMAIN, signedBytes(said), fromHex(signature) ?? new Uint8Array())) {
    return ["the lock's signature is wrong"]
  }
  const before = new Map(said.sources.map(({ name, digest }) => [name, digest]))
  const drift: string[] = []
  for (const { name, digest } of now.sources) {
    const locked = before.get(name)
    if (locked === undefined) drift.push(`${name} is new`)
    else if (locked !== digest) drift.push(`${name} has changed`)
    before.delete(name)
  }
  for (const name of before.keys()) drift.push(`${name} is gone`)
  if (drift.length === 0 && now.rules !== undefined && said.rules !== now.rules)
    drift.push('the rules made of them have changed')
  return drift
}

function signedBytes({
  by,
  madeAt,
  sources,
  rules
}: LockedSet & { readonly by: string; readonly madeAt: number }): Uint8Array {
  const listed = sources.map(({ name, digest }) => ({ name, digest }))
  return encodeCbor({ v: 1, by, madeAt, sources: listed, rules })
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // Said by the caller: it is no lock.
  }
}
