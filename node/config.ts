// What a node was told about itself, kept in its home, so that a later start needs no flags.

import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'
import { checkedName, mistakeText, mistakeWords, parseBytes, WeaverError } from '../core/index.ts'
import { parseLabels } from './labels.ts'

const CONFIG_VERSION = 1
const PORT_MAX = 65_535

export interface NodeConfig {
  readonly version: typeof CONFIG_VERSION
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** `auto`, `none`, or a GPU declared by hand: `1:24GB`. */
  readonly gpu: string
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** `HOST:PORT` of the control API's TCP listener, or null for none. */
  readonly http: string | null
  /** Whether this node makes itself known on the LAN. */
  readonly mdns: boolean
  /** Whether it asks the router to open its ports. */
  readonly upnp: boolean
  /** Multiaddrs ending in `/p2p/<node id>` where members may always be tried. */
  readonly peers: readonly string[]
  /** What all blobs may take on disk (`20GB`), or null for the default. */
  readonly blobBudget: string | null
}

const label = z.string().max(63)
const configSchema: z.ZodType<NodeConfig> = z.strictObject({
  version: z.literal(CONFIG_VERSION),
  name: z.string(),
  labels: z.record(label, label),
  gpu: z.string(),
  listen: z.array(z.string()).min(1).max(16),
  http: z.string().nullable(),
  mdns: z.boolean().default(true),
  upnp: z.boolean().default(true),
  peers: z.array(z.string().max(512)).max(256).default([]),
  blobBudget: z.string().max(32).nullable().default(null)
})

/** What the command line says: null means that it says nothing. */
export interface StartFlags {
  readonly name: string | null
  readonly labels: readonly string[] | null
  readonly gpu: string | null
  readonly listen: readonly string[] | null
  readonly http: string | null
  readonly mdns?: boolean | null
  readonly upnp?: boolean | null
  readonly blobBudget?: string | null
}

/** What a home was told; null where there is nothing. @throws WeaverError `NODE_CONFIG_INVALID` */
export function readConfig(file: string): NodeConfig | null {
  if (!existsSync(file)) return null
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw configError(file, error instanceof Error ? error.message : String(error), error)
  }
  return parseConfig(text, file)
}

/** @throws WeaverError `NODE_CONFIG_INVALID` naming the first thing that is wrong in the file. */
export function parseConfig(text: string, file: string): NodeConfig {
  const parsed = configSchema.safeParse(parseJson(text, file), { error: mistakeWords })
  if (parsed.success) return { ...parsed.data, name: checkedName(parsed.data.name) }
  throw configError(file, mistakeText(parsed.error))
}

export function formatConfig(config: NodeConfig): string {
  return `${JSON.stringify(config, null, 2)}\n`
}

/** The flags over what was kept over the defaults. */
export function mergeConfig(kept: NodeConfig | null, flags: StartFlags): NodeConfig {
  return {
    version: CONFIG_VERSION,
    name: flags.name === null ? (kept?.name ?? defaultName()) : checkedName(flags.name),
    labels: flags.labels === null ? (kept?.labels ?? {}) : parseLabels(flags.labels),
    gpu: flags.gpu ?? kept?.gpu ?? 'auto',
    listen: [...(flags.listen ?? kept?.listen ?? ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'])],
    http: flags.http === null ? (kept?.http ?? null) : flags.http === 'off' ? null : flags.http,
    mdns: flags.mdns ?? kept?.mdns ?? true,
    upnp: flags.upnp ?? kept?.upnp ?? true,
    peers: kept?.peers ?? [],
    blobBudget: checkedSize(flags.blobBudget ?? kept?.blobBudget ?? null)
  }
}

/** What `http` says. @throws WeaverError `NODE_HTTP_INVALID` */
export function parseHostAndPort(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host !== undefined && port <= PORT_MAX) return { host, port }
  throw new WeaverError(
    'NODE_HTTP_INVALID',
    `Cannot listen on '${text.slice(0, 64)}': write HOST:PORT with a port from 0 to ${PORT_MAX}, for example 127.0.0.1:7070`
  )
}

/** @throws WeaverError `CORE_INVALID_SIZE` */
function checkedSize(text: string | null): string | null {
  if (text !== null) parseBytes(text)
  return text
}

/** The machine's host name, as far as it can be a node's name. */
function defaultName(): string {
  const first = hostname().split('.')[0] ?? ''
  const name = first.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  const trimmed = name.replaceAll(/^-+|-+$/g, '').slice(0, 63)
  return trimmed === '' ? 'node' : checkedName(trimmed)
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw configError(file, 'it is not JSON', error)
  }
}

function configError(file: string, what: string, cause?: unknown): WeaverError {
  return new WeaverError('NODE_CONFIG_INVALID', `Cannot read ${file}: ${what}`, {
    cause,
    detail: {
      hint: 'mend it, or remove it and give the options once more: weaver kernel start --name NAME ...'
    }
  })
}
