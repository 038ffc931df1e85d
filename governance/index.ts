/**
 * The one gate: who may do what, decided and recorded before it happens.
 *
 * @module
 */

export { ACTIONS } from './action.ts'
export type { Action, ActionRule } from './action.ts'
export { DeniedError } from './errors.ts'
export { createGate } from './gate.ts'
export type { Gate, GateDeps, GateOptions, Permit, Permits, Waiting } from './gate.ts'
export { grantRequest } from './grant-act.ts'
export { ownerAndMembers } from './policy.ts'
export type { Decision, Policy } from './policy.ts'
export type { EntryDraft, EntryRef, GateLedger } from './ports.ts'
export { principalText } from './request.ts'
export type { GateRequest, Principal } from './request.ts'
export { VaultDamagedError } from './secrets/errors.ts'
export { redactedText, secretPatterns } from './secrets/redactor.ts'
export type { SecretPatterns } from './secrets/redactor.ts'
export { checkSecretName, Vault } from './secrets/vault.ts'
export type { SecretRow, VaultFile } from './secrets/vault.ts'
export { loadCedar } from './cedar-engine.ts'
export type { CedarEngine } from './cedar-engine.ts'
export { CedarPolicy } from './cedar-policy.ts'
export { unreadCommand } from './cedar-request.ts'
export type { CommandFacts, PolicyFacts } from './cedar-request.ts'
export { EnginePolicy } from './engine-policy.ts'
export type { PolicyTexts } from './engine-policy.ts'
export type { PolicySource, Rule } from './rules.ts'
export { DEFAULT_ROLE, ROLES, shippedSources } from './shipped.ts'
