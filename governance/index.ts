/**
 * The one gate: who may do what, decided and recorded before it happens.
 *
 * @module
 */

export { ACTIONS } from './action.ts'
export type { Action, ActionRule } from './action.ts'
export { analyseCommand, commandContext } from './commands/analysis.ts'
export type { CommandAnalysis, CommandContext, CommandSurroundings } from './commands/analysis.ts'
export { RISKS } from './commands/findings.ts'
export type { Risk } from './commands/findings.ts'
export { Denials } from './denials.ts'
export { DeniedError } from './errors.ts'
export { createGate } from './gate.ts'
export type { Gate, GateDeps, GateOptions, Permit, Permits } from './gate.ts'
export { createCapabilities } from './capabilities/capability.ts'
export type { Capabilities } from './capabilities/capability.ts'
export { grantRequest } from './grant-act.ts'
export { ownerAndMembers } from './policy.ts'
export type { Decision, Policy } from './policy.ts'
export type { EntryDraft, EntryRef, GateLedger } from './ports.ts'
export { principalText } from './request.ts'
export type { GateRequest, Principal } from './request.ts'
export { VaultDamagedError } from './secrets/errors.ts'
export { secretPatterns } from './secrets/patterns.ts'
export type { SecretPatterns } from './secrets/patterns.ts'
export { redactedText, Redactor } from './secrets/redactor.ts'
export { checkSecretName, emptyVault, Vault } from './secrets/vault.ts'
export type { SecretRow, VaultFile } from './secrets/vault.ts'
export { isRoleWithin } from './roles.ts'
export { loadCedar } from './cedar-engine.ts'
export type { CedarEngine } from './cedar-engine.ts'
export { CedarPolicy } from './cedar-policy.ts'
export { unreadCommand } from './cedar-request.ts'
export type { CommandFacts, PolicyFacts } from './cedar-request.ts'
export { EnginePolicy } from './engine-policy.ts'
export type { PolicyTexts } from './engine-policy.ts'
export type { PolicySource, Rule } from './rules.ts'
export { DEFAULT_ROLE, ROLES, shippedSchema, shippedSources } from './shipped.ts'
export { ruleWords } from './explain.ts'
export {
  isNewBeginning,
  isNewer,
  isOfMesh,
  isVoid,
  nextVersion,
  readMeshPolicy,
  signMeshPolicy
} from './mesh-policy.ts'
export type { MeshPolicy } from './mesh-policy.ts'
export { driftFrom, lockedSet, sourceDigest, writeLock } from './policy-lock.ts'
export type { LockedSet } from './policy-lock.ts'
export { Approvals } from './approvals.ts'
export type { ApprovalsDeps, ApprovalView, Inside, MachineView } from './approvals.ts'
