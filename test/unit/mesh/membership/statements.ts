// Statements for tests: a small mesh of signers and what they say.

import { signRotation, unixMillis } from '../../../../core/index.ts'
import type { MeshId, NodeId, Signer } from '../../../../core/index.ts'
import { foldMembership } from '../../../../mesh/membership/fold.ts'
import type { Membership } from '../../../../mesh/membership/fold.ts'
import { foundedMesh, signStatement } from '../../../../mesh/membership/statement.ts'
import type { Role, Statement } from '../../../../mesh/membership/statement.ts'
import { testSigner } from '../lab.ts'

const at = unixMillis(1_800_000_000_000)

/** Says things in one mesh; each statement is new, however often the same is said. */
export class Speech {
  readonly founder: Signer
  readonly genesis: Statement
  readonly mesh: MeshId
  #count = 0

  constructor(founder: string = 'ada') {
    this.founder = testSigner(founder)
    this.genesis = signStatement(this.founder, {
      kind: 'genesis',
      node: this.founder.nodeId,
      name: founder,
      role: 'admin',
      nonce: new Uint8Array(16),
      at
    })
    this.mesh = foundedMesh(this.genesis)
  }

  admit(by: string, name: string, role: Role = 'member'): Statement {
    this.#count += 1
    const invite = String(this.#count).padStart(32, '0')
    const node = testSigner(name).nodeId
    return signStatement(testSigner(by), {
      kind: 'admit',
      mesh: this.mesh,
      node,
      name,
      role,
      invite,
      at
    })
  }

  revoke(by: string, name: string, keeps: readonly Statement[] = []): Statement {
    const node = testSigner(name).nodeId
    return signStatement(testSigner(by), {
      kind: 'revoke',
      mesh: this.mesh,
      node,
      keeps: ids(keeps),
      at
    })
  }

  role(
    by: string,
    [name, role]: readonly [string, Role],
    { after = [], keeps = [] }: { after?: readonly Statement[]; keeps?: readonly Statement[] } = {}
  ): Statement {
    const node = testSigner(name).nodeId
    return signStatement(testSigner(by), {
      kind: 'role',
      mesh: this.mesh,
      node,
      role,
      after: ids(after),
      keeps: ids(keeps),
      at
    })
  }

  leave(name: string, ends: readonly Statement[]): Statement {
    const node = testSigner(name).nodeId
    return signStatement(testSigner(name), {
      kind: 'leave',
      mesh: this.mesh,
      node,
      ends: ids(ends),
      at
    })
  }

  /** The key of `heir` takes the place of that of `name`. */
  succeed(name: string, heir: string, keeps: readonly Statement[] = []): Statement {
    const [old, next] = [testSigner(name), testSigner(heir)]
    return signStatement(old, {
      kind: 'succeed',
      mesh: this.mesh,
      node: next.nodeId,
      rotation: signRotation(old, next),
      keeps: ids(keeps),
      at
    })
  }

  quorum(
    by: string,
    signatures: number,
    { after = [], keeps = [] }: { after?: readonly Statement[]; keeps?: readonly Statement[] } = {}
  ): Statement {
    return signStatement(testSigner(by), {
      kind: 'quorum',
      mesh: this.mesh,
      signatures,
      after: ids(after),
      keeps: ids(keeps),
      at
    })
  }

  approve(by: string, statements: readonly Statement[]): Statement {
    return signStatement(testSigner(by), {
      kind: 'approve',
      mesh: this.mesh,
      statements: ids(statements),
      at
    })
  }

  fold(...statements: readonly Statement[]): Membership {
    const folded = foldMembership(this.mesh, [this.genesis, ...statements])
    if (folded === null) throw new Error('the genesis is missing')
    return folded
  }
}

function ids(statements: readonly Statement[]): readonly string[] {
  return statements.map(({ id }) => id)
}

export function idOf(name: string): NodeId {
  return testSigner(name).nodeId
}

/** `name role` of each member, sorted. */
export function shown(membership: Membership): readonly string[] {
  return [...membership.members.values()].map(({ name, role }) => `${name} ${role}`).toSorted()
}
