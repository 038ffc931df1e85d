// Builds the tools that come with weaver: AssemblyScript -> core module -> component, and the manifest
// that names each by its SHA-256. The same sources and pinned packages give the same bytes, so a test
// builds again and compares.
//
//   node scripts/build-tools.ts           writes sandbox-wasm/builtin/
//   node scripts/build-tools.ts --check   exits 1 unless it is what the sources give

import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { main as compile } from 'assemblyscript/asc'

const root = new URL('../', import.meta.url)
const folder = new URL('sandbox-wasm/builtin/', root)
const TOOLS = [{ name: 'hash', entry: 'tools/hash/index.ts', trap: 'tools/hash/abi/trap' }] as const

/** What is written to the folder: name and content of each file. */
export async function buildTools(): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  const tools = []
  for (const { name, entry, trap } of TOOLS) {
    const component = await componentOf(await compiled(entry, trap))
    const sha256 = createHash('sha256').update(component).digest('hex')
    tools.push({ name, file: `${name}.wasm`, sha256, sizeBytes: component.length })
    files.set(`${name}.wasm`, component)
  }
  const manifest = `${JSON.stringify({ format: 1, tools }, null, 2)}\n`
  files.set('manifest.json', new TextEncoder().encode(manifest))
  return files
}

/** Makes a component of a core module that follows the canonical ABI of `wit`, in bytes or as text. */
export async function componentOf(
  core: Uint8Array | string,
  wit?: string,
  world = 'tool'
): Promise<Uint8Array> {
  const binary = typeof core === 'string' ? await parse(core) : core
  const witSource = wit ?? (await readFile(new URL('tools/wit/tool.wit', root), 'utf8'))
  const embedded = await componentEmbed({ binary, witSource, world, stringEncoding: 'utf8' })
  return await componentNew(embedded, [])
}

async function compiled(entry: string, trap: string): Promise<Uint8Array> {
  let binary: Uint8Array | null = null
  const flags = ['--runtime', 'stub', '--use', `abort=${trap}`, '-O3', '--noAssert']
  const diagnostics: string[] = []
  const stderr = { write: (text: string) => void diagnostics.push(text) }
  const { error } = await compile([entry, ...flags, '--outFile', 'core.wasm'], {
    readFile: (name: string) => readFile(new URL(name, root), 'utf8').catch(() => null),
    writeFile: (_name: string, contents: string | Uint8Array) => {
      if (typeof contents !== 'string') binary = contents
    },
    listFiles: () => [],
    stderr
  })
  if (error !== null || binary === null) {
    throw new Error(`Cannot compile ${entry}: ${diagnostics.join('')}`, { cause: error })
  }
  return binary
}

async function main(): Promise<void> {
  const isCheck = process.argv.includes('--check')
  if (!isCheck) await mkdir(folder, { recursive: true })
  for (const [name, content] of await buildTools()) {
    const path = new URL(name, folder)
    if (!isCheck) await writeFile(path, content)
    const isSame = Buffer.compare(content, await readFile(path)) === 0
    if (!isSame) process.exitCode = 1
    process.stdout.write(`${isSame ? 'ok' : 'DIFFERS'} ${name} ${content.length} bytes\n`)
  }
}

if (import.meta.main) await main()
