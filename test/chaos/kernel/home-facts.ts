// A home with something in each of its files, and what its kernel has acknowledged of it.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ControlClient } from '../../../node/api/index.ts'
import { until } from './lab.ts'
import type { Lab } from './lab.ts'

/** What the kernel had acknowledged. */
export interface Facts {
  readonly mesh: string | null
  readonly node: string
  readonly name: string
  readonly secrets: readonly string[]
  readonly task: string
  readonly blobs: string
  readonly policies: string
}

/** Fills the home of a kernel that runs. @returns the id of a task that has succeeded there */
export async function fillHome(lab: Lab, name: string, blobBytes: number): Promise<string> {
  const client = clientOf(lab.homeOf(name))
  await client.setSecret('canary', new TextEncoder().encode('canary-value'))
  const blob = join(lab.folder, 'blob')
  await writeFile(blob, 'x'.repeat(blobBytes))
  const mine = '@id("mine") permit (principal, action == Weft::Action::"fs.read", resource);'
  for (const words of [
    ['blob', 'put', blob],
    ['policy', 'add', mine],
    ['policy', 'lock'],
    ['chain', 'redact', `1.0@${name}`, '--reason', 'x'],
    ['chain', 'prove', `2.0@${name}`, '-o', join(lab.folder, 'proof')],
    ['chain', 'verify'],
    ['tool', 'call', 'hash', '{"algorithm":"shake256","text":"x"}']
  ]) {
    await lab.done(name, ...words)
  }
  const stdout = await lab.done(name, 'run', '--detach', '--json', '--', 'true')
  const { taskId }: { taskId: string } = JSON.parse(stdout)
  await until(async () => (await client.task(taskId)).state === 'succeeded')
  return taskId
}

export function clientOf(home: string): ControlClient {
  return new ControlClient({ socketPath: join(home, 'run', 'kernel.sock') })
}

/** What the kernel that runs on `home` says now. */
export async function factsOf(home: string, task: string): Promise<Facts> {
  const client = clientOf(home)
  const status = await client.status()
  const policy = await client.policy()
  return {
    mesh: status.mesh.id,
    node: status.nodeId,
    name: status.name,
    secrets: (await client.secrets()).map(({ name }) => name),
    task: (await client.task(task)).state,
    blobs: JSON.stringify((await client.blobs()).blobs),
    policies: `${policy.refused ?? 'in force'}: ${policy.rules.some(({ id }) => id === 'mine')}`
  }
}
