// Policies and approvals in the control API.

/** One rule in force. */
export interface PolicyRule {
  readonly id: string
  /** `base.cedar`, `role-coder.cedar`, `home/<file>`, or `mesh`. */
  readonly source: string
  readonly effect: 'permit' | 'forbid'
  /** Why it asks: an approval lifts this forbid. Null: nothing does. */
  readonly ask: string | null
  /** What it says, in words. */
  readonly words: string
  readonly text: string
}

export interface PolicyView {
  readonly state: 'in-force' | 'refused'
  /** Why nothing is allowed but what mends it. */
  readonly refused: string | null
  readonly lock: 'none' | 'ok' | 'drifted'
  /** What is not as it was locked, or as it was taken. */
  readonly drift: readonly string[]
  /** What an admin has given to the whole mesh. */
  readonly mesh: MeshPolicyView | null
  readonly engine: string
  readonly rules: readonly PolicyRule[]
}

export interface MeshPolicyView {
  readonly version: number
  /** The admin's node. */
  readonly by: string
  readonly madeAt: number
  readonly digest: string
}

/** Part of `kernel status`. */
export interface PolicySummary {
  readonly state: 'in-force' | 'refused'
  readonly lock: 'none' | 'ok' | 'drifted'
  readonly drift: readonly string[]
  readonly meshVersion: number | null
}

/** What would be decided; nothing is done or recorded. */
export interface PolicyCheckRequest {
  /** `user:local`, `agent:<name>`, `node:<name or id>`, `process:<pid>`, `stranger`. */
  readonly principal: string
  /** `exec` is short for `process.exec`. */
  readonly action: string
  /** Null: what such an act is usually done to. */
  readonly resource: string | null
  readonly argv: readonly string[]
  readonly cwd: string | null
  /** Of an agent that does not run: the role it would be in. */
  readonly role: string | null
  readonly containment: 'os' | 'none'
  /** Whose container it would run in; null: none. */
  readonly image: string | null
  /** As `--gpu` takes them: `1`, `nvidia:1:24GB`; null: none. */
  readonly gpu: string | null
}

export interface PolicyCheck {
  readonly decision: 'allow' | 'deny' | 'ask'
  readonly rules: readonly string[]
  readonly errors: readonly string[]
  /** The line or command that would change it; null where it is allowed. */
  readonly hint: string | null
}

export interface PolicyText {
  readonly name: string
  readonly text: string
}

export interface PolicyValidation {
  readonly ok: boolean
  readonly policies: number
  readonly problems: readonly string[]
}

export interface PolicyLockView {
  readonly sources: readonly { readonly name: string; readonly digest: string }[]
  readonly rules: string
}

export type ApprovalState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'used'

/** A file whose bytes decide what would run. */
export interface SeenFile {
  readonly path: string
  readonly digest: string
}

export interface Approval {
  /** `7@laptop`. */
  readonly id: string
  readonly node: string
  readonly action: string
  readonly principal: string
  /** The act in words, with its command. */
  readonly what: string
  /** Over exactly what would run. An approval is for this, once. */
  readonly hash: string
  readonly requestedAt: number
  readonly expiresAt: number
  readonly state: ApprovalState
  /** What the policy asks about. */
  readonly why: string
  readonly argv: readonly string[]
  readonly cwd: string | null
  /** Names only. */
  readonly environment: readonly string[]
  /** The program and the scripts named on its command line, as they are now on `node`. */
  readonly files: readonly SeenFile[]
  /** What it is done to, and everything else that is asked for with it. */
  readonly destinations: readonly string[]
  readonly decidedBy: string | null
}
