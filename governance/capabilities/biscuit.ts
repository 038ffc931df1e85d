// The one file that knows the biscuit library (https://doc.biscuitsec.org): tokens in, verdicts out.
//
// Its package starts itself with an experimental import of WebAssembly and a greeting on standard output;
// here the same two files are put together by hand, without either.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type * as Biscuits from '@biscuit-auth/biscuit-wasm'
import { ENGINE_USES_MAX, REASON_LENGTH_MAX, RUN_FACTS_MAX, RUN_ITERATIONS_MAX } from './limits.ts'

type Library = typeof Biscuits

/** Datalog, with `{name}` for each parameter. */
export interface Datalog {
  readonly code: string
  readonly parameters: Readonly<Record<string, string>>
}

export interface BiscuitEngine {
  /** A token of one block, signed by the private key. */
  mint(privateKey: Uint8Array, block: Datalog): Uint8Array
  /** The token with one more block. Anybody who holds it can do so; nobody can take a block away. */
  append(token: Uint8Array, publicKey: Uint8Array, block: Datalog): Uint8Array
  publicKeyOf(privateKey: Uint8Array): Uint8Array
  /** How many blocks it has: one when it was issued, and one more for each time it was narrowed. */
  blocks(token: Uint8Array, publicKey: Uint8Array): number
  /** Whether the token holds under these facts. Null: it does; else why not, for people. */
  verify(token: Uint8Array, publicKey: Uint8Array, authorizer: Datalog): Verified
}

export interface Verified {
  readonly blocks: number
  readonly refusal: string | null
}

interface Loaded {
  readonly engine: Promise<BiscuitEngine>
  uses: number
}

let compiled: WebAssembly.Module | null = null
let loaded: Loaded | null = null
let generation = 0
let retire = (): void => {}

/**
 * Loaded when the first token is made or read: 2.4 MB of WebAssembly, 30 ms. What the library leaks (10 to
 * 50 KB for each run, whatever is freed) ends with its memory: after a while a fresh one takes its place.
 */
export function biscuitEngine(): Promise<BiscuitEngine> {
  if (loaded === null || loaded.uses >= ENGINE_USES_MAX) {
    generation += 1
    loaded = { engine: load(generation), uses: 0 }
  }
  loaded.uses += 1
  return loaded.engine
}

async function load(number: number): Promise<BiscuitEngine> {
  const folder = new URL('.', import.meta.resolve('@biscuit-auth/biscuit-wasm'))
  // The query makes it a module of its own, with a memory of its own.
  const glue: unknown = await import(new URL(`biscuit_bg.js?${number}`, folder).href)
  if (!isGlue(glue)) throw new Error('Cannot load the biscuit library: it is not as expected')
  const bytes = await readFile(fileURLToPath(new URL('biscuit_bg.wasm', folder)))
  compiled ??= new WebAssembly.Module(new Uint8Array(bytes))
  const { exports } = new WebAssembly.Instance(compiled, importsOf(compiled, glue))
  glue['__wbg_set_wasm'](exports)
  retire()
  retire = () => release(glue, exports['memory'])
  const start = exports['__wbindgen_start']
  if (typeof start === 'function') start()
  return engineOver(glue)
}

/**
 * The glue stays among Node's modules for good, and must not keep the memory with it: growing the memory
 * invalidates the glue's views, and one more call makes it take views of an empty one instead.
 */
function release(glue: Glue, memory: unknown): void {
  if (!(memory instanceof WebAssembly.Memory)) return
  memory.grow(1)
  const empty = new WebAssembly.Memory({ initial: 1 })
  const exports = new Proxy({}, { get: (_, name) => (name === 'memory' ? empty : () => 0) })
  glue['__wbg_set_wasm'](exports)
  glue.PrivateKey.fromBytes(new Uint8Array(1), glue.SignatureAlgorithm.Ed25519)
}

interface Glue extends Library {
  readonly __wbg_set_wasm: (exports: object) => void
}

function isGlue(value: unknown): value is Glue {
  const names = ['__wbg_set_wasm', 'Biscuit', 'AuthorizerBuilder', 'BlockBuilder', 'PrivateKey']
  return typeof value === 'object' && value !== null && names.every((name) => name in value)
}

/** What the program wants is in the glue; what would write to the console, or look at the time, is not. */
function importsOf(module: WebAssembly.Module, glue: object): WebAssembly.Imports {
  const imports: Record<string, Record<string, unknown>> = {}
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const isOurs = name === 'performance_now' || /^__wbg_(?:log|debug|info|warn|error)_/.test(name)
    imports[from] = { ...imports[from], [name]: isOurs ? () => 0 : Reflect.get(glue, name) }
  }
  return imports
}

/** Facts and iterations bound a run; its bound on time is none, because its clock stands still. */
const RUN_LIMITS = {
  max_facts: RUN_FACTS_MAX,
  max_iterations: RUN_ITERATIONS_MAX,
  max_time_micro: 1_000_000
}

function engineOver(library: Library): BiscuitEngine {
  const { Biscuit, BiscuitBuilder, BlockBuilder, AuthorizerBuilder } = library
  const { PrivateKey, PublicKey, KeyPair, SignatureAlgorithm } = library
  const { Ed25519 } = SignatureAlgorithm
  const parsed = (token: Uint8Array, publicKey: Uint8Array): Token =>
    using(PublicKey.fromBytes(publicKey, Ed25519), (key) => Biscuit.fromBytes(token, key))
  return {
    publicKeyOf: (privateKey) => {
      const bytes = new Uint8Array(32)
      const pair = KeyPair.fromPrivateKey(PrivateKey.fromBytes(privateKey, Ed25519))
      pair.getPublicKey().toBytes(bytes)
      pair.free()
      return bytes
    },
    mint: (privateKey, { code, parameters }) => {
      const builder = new BiscuitBuilder()
      builder.addCodeWithParameters(code, parameters, {})
      return bytesOf(builder.build(PrivateKey.fromBytes(privateKey, Ed25519)))
    },
    append: (token, publicKey, { code, parameters }) => {
      const builder = new BlockBuilder()
      builder.addCodeWithParameters(code, parameters, {})
      return using(parsed(token, publicKey), (old) => bytesOf(old.appendBlock(builder)))
    },
    blocks: (token, publicKey) => using(parsed(token, publicKey), (it) => it.countBlocks()),
    verify: (token, publicKey, { code, parameters }) =>
      using(parsed(token, publicKey), (it) => {
        const builder = new AuthorizerBuilder()
        builder.addCodeWithParameters(code, parameters, {})
        const refusal = using(builder.buildAuthenticated(it), refusalOf)
        return { blocks: it.countBlocks(), refusal }
      })
  }
}

type Token = ReturnType<Library['Biscuit']['fromBytes']>

function refusalOf(authorizer: Biscuits.Authorizer): string | null {
  try {
    authorizer.authorizeWithLimits(RUN_LIMITS)
    return null
  } catch (error) {
    return reasonOf(error)
  }
}

interface Freed {
  free(): void
}

/** Memory of a WebAssembly program is not collected in time by itself. */
function using<Resource extends Freed, Result>(
  resource: Resource,
  use: (resource: Resource) => Result
): Result {
  try {
    return use(resource)
  } finally {
    resource.free()
  }
}

function bytesOf(token: Token): Uint8Array {
  return using(token, (it) => it.toBytes())
}

/** The library throws plain objects: `{FailedLogic: {Unauthorized: {checks: [...]}}}`. */
function reasonOf(error: unknown): string {
  if (error instanceof Error) return error.message
  return (JSON.stringify(error) ?? String(error)).slice(0, REASON_LENGTH_MAX)
}
