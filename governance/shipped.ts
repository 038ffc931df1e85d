// What the project ships: the schema, the base, and a template for each usual role.

import { readFileSync } from 'node:fs'
import { sourceDigest } from './policy-lock.ts'
import type { PolicySource } from './rules.ts'

/** Made of the schema by `npm run docs`: reading it takes a third of the time. */
const SCHEMA_JSON = 'weft.cedarschema.json'

/** Roles that an agent may be spawned in; a policy of the home's may use others. */
export const ROLES = ['reader', 'coder', 'reviewer', 'tester', 'devops', 'untrusted'] as const
export type Role = (typeof ROLES)[number]

/** What an agent is that was put into no role: the closest of them. */
export const DEFAULT_ROLE: Role = 'untrusted'

export function shippedSchema(): string {
  return shipped('weft.cedarschema')
}

/** The schema that is shipped, as the engine reads it; undefined where that is known of another one only. */
export function shippedSchemaJson(): string | undefined {
  const { of, schema }: { of: string; schema: unknown } = JSON.parse(shipped(SCHEMA_JSON))
  return of === sourceDigest(shippedSchema()) ? JSON.stringify(schema) : undefined
}

/** The file that keeps it: where it lies, and what has to be in it. */
export function schemaJsonFile(json: string): { readonly url: URL; readonly text: string } {
  const schema: unknown = JSON.parse(json)
  const text = `${JSON.stringify({ of: sourceDigest(shippedSchema()), schema }, null, 1)}\n`
  return { url: fileOf(SCHEMA_JSON), text }
}

export function shippedSources(): readonly PolicySource[] {
  return ['base', ...ROLES.map((role) => `role-${role}`)].map((name) => ({
    name: `${name}.cedar`,
    text: shipped(`${name}.cedar`),
    isBuiltIn: true
  }))
}

function shipped(file: string): string {
  return readFileSync(fileOf(file), 'utf8')
}

function fileOf(file: string): URL {
  return new URL(`policies/${file}`, import.meta.url)
}
