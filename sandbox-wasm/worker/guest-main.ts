// Entry of the process that runs one guest: loads its translated files, then calls it, each time in a
// fresh instance.
//
// Invariants
//   W1. The bytes that run are the bytes that were hashed: a file is read once, checked, and used.
//   W2. Guest code runs only after the process has given up reading files, starting threads and loading
//       further modules.
//   W3. No state of one call is seen by the next.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { closedWasi } from './closed-wasi.ts'
import { holdLifeline } from './lifeline.ts'
import { memoriesDefined } from './memories.ts'
import { guestRequest } from './protocol.ts'
import type { CallReply, CallRequest, GuestReply, GuestRequest, LoadRequest } from './protocol.ts'
import { giveUpTheWorld } from './seal.ts'
import { serve } from './serve.ts'

interface Exports {
  describe(): unknown
  call(input: string): unknown
}

interface Translated {
  instantiate(
    coreModule: (name: string) => WebAssembly.Module,
    imports: Readonly<Record<string, object>>,
    instantiateCore: (
      module: WebAssembly.Module,
      imports?: WebAssembly.Imports
    ) => WebAssembly.Instance
  ): Exports
}

interface Guest {
  readonly translated: Translated
  readonly modules: ReadonlyMap<string, CoreModule>
  readonly memoriesMax: number
}

interface CoreModule {
  readonly module: WebAssembly.Module
  readonly memories: number
}

/** Thrown instead of decoding a text that may not be returned anyway. */
class OutputTooLarge extends Error {
  readonly bytes: number

  constructor(bytes: number) {
    super(`A text of ${bytes} bytes`)
    this.bytes = bytes
  }
}

// Bounds requests only, which come from the kernel and are bounded there.
const REQUEST_BYTES_MAX = 64 * 1024 * 1024

let guest: Guest | null = null

await holdLifeline()
await serve(REQUEST_BYTES_MAX, (request) => answer(guestRequest(request)))

async function answer(request: GuestRequest): Promise<GuestReply> {
  if (request.type === 'load') {
    return await load(request).catch((error: unknown) => ({ type: 'unusable', why: String(error) }))
  }
  if (guest === null) throw new Error('Cannot call before a guest is loaded')
  return call(guest, request)
}

async function load(request: LoadRequest): Promise<GuestReply> {
  const modules = new Map<string, CoreModule>()
  let source: Uint8Array | null = null
  for (const { name, sha256 } of request.files) {
    const bytes = readIfAny(join(request.folder, name))
    const hash = bytes === null ? null : createHash('sha256').update(bytes).digest('hex')
    if (bytes === null || hash !== sha256) return { type: 'corrupt', file: name }
    if (name.endsWith('.js')) source = bytes
    else modules.set(name, coreModule(bytes))
  }
  if (source === null) throw new TypeError('It has no code')
  const url = `data:text/javascript;base64,${Buffer.from(source).toString('base64')}`
  giveUpTheWorld(url)
  const translated: unknown = await import(url)
  if (!isTranslated(translated)) throw new TypeError('It cannot be instantiated')
  boundTexts(request.outputBytesMax) // Only now: Node's own loader decodes the source with it.
  guest = { translated, modules, memoriesMax: request.memoriesMax }
  return { type: 'loaded' }
}

function isTranslated(module: unknown): module is Translated {
  return typeof module === 'object' && module !== null && 'instantiate' in module
}

function readIfAny(path: string): Uint8Array<ArrayBuffer> | null {
  try {
    return new Uint8Array(readFileSync(path))
  } catch {
    return null // A file that is missing or unreadable is as useless as one that was changed.
  }
}

function coreModule(bytes: Uint8Array<ArrayBuffer>): CoreModule {
  const module = new WebAssembly.Module(bytes)
  return { module, memories: memoriesDefined(bytes) }
}

/** Translated code decodes every text of the guest through this: a huge one is refused before it exists. */
function boundTexts(bytesMax: number): void {
  const { prototype } = TextDecoder
  // oxlint-disable-next-line typescript/unbound-method -- applied to its own `this` below
  const { decode } = prototype
  prototype.decode = function bounded(...[input, options]: Parameters<typeof decode>): string {
    const bytes = input?.byteLength ?? 0
    if (bytes > bytesMax) throw new OutputTooLarge(bytes)
    return Reflect.apply(decode, this, [input, options])
  }
}

function call({ translated, modules, memoriesMax }: Guest, request: CallRequest): CallReply {
  const memories = new Set<WebAssembly.Memory>()
  let memoriesUsed = 0
  const instantiateCore = (
    module: WebAssembly.Module,
    imports?: WebAssembly.Imports
  ): WebAssembly.Instance => {
    for (const known of modules.values())
      if (known.module === module) memoriesUsed += known.memories
    if (memoriesUsed > memoriesMax) {
      throw new RangeError(`Cannot have more than ${memoriesMax} linear memories`)
    }
    const instance = new WebAssembly.Instance(module, imports)
    for (const item of Object.values(instance.exports)) {
      if (item instanceof WebAssembly.Memory) memories.add(item)
    }
    return instance
  }
  const memoryBytes = (): number =>
    [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0)
  try {
    const named = (name: string): WebAssembly.Module => moduleNamed(modules, name)
    const instance = translated.instantiate(named, closedWasi(), instantiateCore)
    const text = request.method === 'call' ? instance.call(request.input) : instance.describe()
    if (typeof text !== 'string')
      throw new TypeError('The guest returned something else than a text')
    return { type: 'returned', text, memoryBytes: memoryBytes() }
  } catch (error) {
    if (error instanceof OutputTooLarge) {
      return { type: 'output-too-large', bytes: error.bytes, memoryBytes: memoryBytes() }
    }
    // The error case of `result<string, string>` is thrown as the bare string, and nothing else is.
    const type = typeof error === 'string' ? 'failed' : 'trapped'
    return { type, text: String(error), memoryBytes: memoryBytes() }
  }
}

function moduleNamed(modules: ReadonlyMap<string, CoreModule>, name: string): WebAssembly.Module {
  const found = modules.get(name)
  if (found === undefined) throw new Error(`No core module is named ${name}`)
  return found.module
}
