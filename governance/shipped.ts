// What the project ships: the schema, the base, and a template for each usual role.

import { readFileSync } from 'node:fs'
import type { PolicySource } from './rules.ts'

/** Roles that an agent may be spawned in; a policy of the home's may use others. */
export const ROLES = ['reader', 'coder', 'reviewer', 'tester', 'devops', 'untrusted'] as const
export type Role = (typeof ROLES)[number]

/** What an agent is that was put into no role: the closest of them. */
export const DEFAULT_ROLE: Role = 'untrusted'

export function shippedSchema(): string {
  return shipped('weft.cedarschema')
}

export function shippedSources(): readonly PolicySource[] {
  return ['base', ...ROLES.map((role) => `role-${role}`)].map((name) => ({
    name: `${name}.cedar`,
    text: shipped(`${name}.cedar`),
    isBuiltIn: true
  }))
}

function shipped(file: string): string {
  return readFileSync(new URL(`policies/${file}`, import.meta.url), 'utf8')
}
