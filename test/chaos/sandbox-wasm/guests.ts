// Tools that misbehave, written as text, and a folder of them as the kernel would find it.

import { createHash } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { componentOf } from '../../../scripts/build-tools.ts'

interface GuestParts {
  readonly imports?: string
  readonly call: string
  readonly rest?: string
  readonly pages?: number
}

/**
 * A core module of `world tool`. The input is put at 1024. `describe` returns `"x"` of 16..18.
 * Return areas: describe at 0, call at 32.
 */
function core({ imports = '', call, rest = '', pages = 1 }: GuestParts): string {
  return `(module
    ${imports}
    (memory (export "memory") ${pages})
    (data (i32.const 0) "\\10\\00\\00\\00\\03\\00\\00\\00")
    (data (i32.const 16) "\\22x\\22")
    ${rest}
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "describe") (result i32) i32.const 0)
    (func (export "call") (param i32 i32) (result i32) ${call}))`
}

/** Returns `ok` with the text at `pointer`. */
function returning(pointer: number, length: number, tag = 0): string {
  return `(i32.store (i32.const 32) (i32.const ${tag}))
    (i32.store (i32.const 36) (i32.const ${pointer}))
    (i32.store (i32.const 40) (i32.const ${length}))
    (i32.const 32)`
}

/** Returns a digit: what \`expression\` leaves. */
function returningDigit(expression: string): string {
  return `(i32.store8 (i32.const 64) (i32.add (i32.const 48) ${expression})) ${returning(64, 1)}`
}

const SPIN = '(loop (br 0)) unreachable'

/** Grows by a mebibyte and writes to all of it, for ever. */
const HOARD = `(loop
  (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
  (memory.fill (i32.mul (i32.sub (memory.size) (i32.const 16)) (i32.const 65536))
    (i32.const 1) (i32.const 1048576))
  (br 0)) unreachable`

const HOARD_TABLES = `(loop ${Array.from({ length: 40 }, (_, table) => `(drop (table.grow ${table} (ref.null func) (i32.const 100000)))`).join(' ')} (br 0)) unreachable`

/** An import of a function that writes a list (pointer, count) at 80, and the count as the answer. */
function countOf(module: string, name: string): GuestParts {
  return {
    imports: `(import "${module}" "${name}" (func $list (param i32)))`,
    call: `(call $list (i32.const 80)) ${returningDigit('(i32.load (i32.const 84))')}`
  }
}

const GUESTS: Readonly<Record<string, GuestParts>> = {
  good: { call: returning(16, 3) },
  counter: {
    rest: '(global $calls (mut i32) (i32.const 0))',
    call: `(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      ${returningDigit('(global.get $calls)')}`
  },
  spin: { call: SPIN },
  'spin-at-start': {
    rest: `(func $start ${SPIN}) (start $start)`,
    call: returning(16, 3)
  },
  hoard: { call: HOARD },
  'hoard-tables': { rest: '(table 0 funcref)'.repeat(40), call: HOARD_TABLES },
  trap: { call: 'unreachable' },
  recurse: { rest: '(func $again (call $again))', call: `(call $again) ${returning(16, 3)}` },
  flood: { pages: 1600, call: returning(1024, 100_000_000) },
  liar: { call: returning(16, 100_000) },
  'wrong-tag': { call: returning(16, 3, 7) },
  'not-json': { call: returning(17, 1) }
}

function lift(name: string): string {
  return `(canon lift (core func $good "${name}") (memory (core memory $good "memory"))
    (realloc (core func $good "cabi_realloc")))`
}

/** A component of the good module and four more, each with a memory that nobody sees. */
function fiveMemories(): string {
  return `(component
    (core module $hoard (memory 1))
    ${'(core instance (instantiate $hoard))'.repeat(4)}
    (core module $module ${core({ call: returning(16, 3) }).slice('(module'.length)}
    (core instance $good (instantiate $module))
    (func (export "describe") (result string) ${lift('describe')})
    (func (export "call") (param "input" string) (result (result string (error string)))
      ${lift('call')}))`
}

const WASI = `
  package wasi:cli@0.2.0 {
    interface environment { get-environment: func() -> list<tuple<string, string>>; }
    interface exit { exit: func(status: result); }
  }
  package wasi:filesystem@0.2.0 {
    interface types { resource descriptor { sync: func(); } }
    interface preopens {
      use types.{descriptor};
      get-directories: func() -> list<tuple<descriptor, string>>;
    }
  }
  package wasi:sockets@0.2.0 {
    interface instance-network {
      resource network { name: func() -> string; }
      instance-network: func() -> network;
    }
  }
  package weft:host { interface process { spawn: func(command: string) -> u32; } }`

const IMPORTERS: Readonly<Record<string, GuestParts & { readonly interface: string }>> = {
  environment: {
    interface: 'wasi:cli/environment@0.2.0',
    ...countOf('wasi:cli/environment@0.2.0', 'get-environment')
  },
  exit: {
    interface: 'wasi:cli/exit@0.2.0',
    imports: '(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))',
    call: `(call $exit (i32.const 0)) ${returning(16, 3)}`
  },
  files: {
    interface: 'wasi:filesystem/preopens@0.2.0',
    ...countOf('wasi:filesystem/preopens@0.2.0', 'get-directories')
  },
  sockets: {
    interface: 'wasi:sockets/instance-network@0.2.0',
    imports:
      '(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $net (result i32)))',
    call: `(drop (call $net)) ${returning(16, 3)}`
  },
  spawner: {
    interface: 'weft:host/process',
    imports: '(import "weft:host/process" "spawn" (func $spawn (param i32 i32) (result i32)))',
    call: `(drop (call $spawn (i32.const 16) (i32.const 3))) ${returning(16, 3)}`
  }
}

function importerWit(name: string): string {
  return `package weft:tool;
    world tool {
      import ${name};
      export describe: func() -> string;
      export call: func(input: string) -> result<string, string>;
    }
    ${WASI}`
}

/** Builds all guests into a new folder with a manifest, and gives its path. */
export async function buildGuests(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-guests-'))
  const tools: object[] = []
  const add = async (name: string, bytes: Uint8Array): Promise<void> => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    tools.push({ name, file: `${name}.wasm`, sha256, sizeBytes: bytes.length })
    await writeFile(join(folder, `${name}.wasm`), bytes)
  }
  for (const [name, parts] of Object.entries(GUESTS))
    await add(name, await componentOf(core(parts)))
  for (const [name, parts] of Object.entries(IMPORTERS)) {
    await add(name, await componentOf(core(parts), importerWit(parts.interface)))
  }
  await add('hoard-memories', await parse(fiveMemories()))
  await add('garbage', new TextEncoder().encode('not wasm'))
  await add('core', Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))
  const mute = core({ call: returning(16, 3) })
  const muteWit = 'package weft:tool; world tool { export describe: func() -> string; }'
  await add('mute', await componentOf(mute, muteWit))
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ format: 1, tools }))
  return folder
}
