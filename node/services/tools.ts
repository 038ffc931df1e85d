import { z } from 'zod'
import { GUEST_MEMORY_PAGES_MAX, TIME_LIMIT_DEFAULT_MS } from '../../sandbox-wasm/index.ts'
import type { Sandbox, ToolDetails } from '../../sandbox-wasm/index.ts'
import { WeaverError } from '../../core/index.ts'
import type { Tool } from '../api/index.ts'
import { callRemoteTool } from '../remote/tools.ts'
import { resolveNode } from '../resolve.ts'
import type { Rooms } from '../rooms.ts'
import type { KernelService } from '../service.ts'

type ToolOperations = Pick<KernelService, 'tools' | 'tool' | 'callTool'>

export function toolOperations(rooms: Rooms): ToolOperations {
  const { sandbox, self, mesh } = rooms
  return {
    tools: async (signal) => {
      const tools = await sandbox.list()
      return await Promise.all(
        tools.map(async ({ name }) => toolView(await inspected(sandbox, name, signal)))
      )
    },
    tool: async (name, signal) => toolView(await sandbox.inspect(name, signal)),
    callTool: async (name, { input, node, containment }, signal) => {
      const target = node === null ? self : resolveNode(mesh, node)
      const call = { name, input: JSON.stringify(input), containment }
      return target === self
        ? await rooms.callTool({ kind: 'owner' }, call, signal)
        : await callRemoteTool(mesh.rpc, target, call, signal)
    }
  }
}

/** Where no worker can be contained, a tool is listed without what it would say of itself. */
async function inspected(
  sandbox: Sandbox,
  name: string,
  signal: AbortSignal
): Promise<ToolDetails> {
  try {
    return await sandbox.inspect(name, signal)
  } catch (error) {
    const isMissing = error instanceof WeaverError && error.code === 'CONTAINMENT_MISSING'
    const listed = (await sandbox.list()).find((tool) => tool.name === name)
    if (!isMissing || listed === undefined) throw error
    const about = { description: 'cannot be asked: this machine cannot contain it' }
    return { ...listed, imports: [], about }
  }
}

const WASM_PAGE_BYTES = 65_536

const aboutSchema = z.object({
  version: z.string().max(64).default('0'),
  description: z.string().max(1000).default(''),
  input: z.json().default(null)
})

/** What a tool says of itself comes from the guest: shown, bounded, and never believed. */
function toolView(details: ToolDetails): Tool {
  const about = aboutSchema.safeParse(details.about).data
  return {
    name: details.name,
    version: about?.version ?? '',
    description: about?.description ?? '',
    digest: details.digest,
    sizeBytes: details.sizeBytes,
    grants: details.imports,
    input: about?.input ?? null,
    limits: {
      timeoutMs: TIME_LIMIT_DEFAULT_MS,
      memoryBytes: GUEST_MEMORY_PAGES_MAX * WASM_PAGE_BYTES
    }
  }
}
