// What the gate is asked: who wants to do what to what. The principal comes from where the request came
// from (the socket, the authenticated peer, the process id), never from what the request says.

import type { Cbor, NodeId, Pid } from '../core/index.ts'
import type { Action } from './action.ts'

export type Principal =
  /** Whoever may open this home's control socket. */
  | { readonly kind: 'owner' }
  /** An admitted node of this mesh, named by the key of its connection. */
  | { readonly kind: 'member'; readonly nodeId: NodeId }
  /** Anybody else. Null where not even a key is known. */
  | { readonly kind: 'stranger'; readonly nodeId: NodeId | null }
  /** A process of this kernel, named by where its request came from. */
  | { readonly kind: 'process'; readonly pid: Pid }
  /** An agent of this kernel, for which its spawner or the kernel asks; `role` is what it is spawned in. */
  | { readonly kind: 'agent'; readonly name: string; readonly role: string }

/** One privileged act, before it happens. */
export interface GateRequest {
  readonly principal: Principal
  readonly action: Action
  /** What the act is done to, in the form that `ACTIONS` gives; also the subject of the record. */
  readonly resource: string
  /**
   * What else the policy and the reader of the record should know. Names of environment variables, never
   * values; the gate cuts what is too long and drops the values of anything called `env`.
   */
  readonly context: Readonly<Record<string, Cbor>>
  /**
   * The whole argument vector, where `context.argv` may have been cut for the record: policy and approver
   * judge this one. Never recorded. Absent: `context.argv` is whole.
   */
  readonly command?: readonly string[]
  /** Variables that it is started with beside the kernel's. An approval is bound to them; never recorded. */
  readonly environment?: Readonly<Record<string, string>>
  /** Why whoever asks lacks the authority, whatever a policy would say: it is denied, by this rule. */
  readonly withheld?: { readonly rule: string; readonly hint: string }
}

/** How a principal is written in the chain: `user:local`, `node:<NodeId>`, `process:<pid>`, `agent:<name>`. */
export function principalText(principal: Principal): string {
  switch (principal.kind) {
    case 'owner':
      return 'user:local'
    case 'member':
      return `node:${principal.nodeId}`
    case 'stranger':
      return principal.nodeId === null ? 'stranger' : `stranger:${principal.nodeId}`
    case 'process':
      return `process:${principal.pid}`
    case 'agent':
      return `agent:${principal.name}`
    default:
      return 'unknown' // A value from outside the type system: recorded as such, and denied.
  }
}
