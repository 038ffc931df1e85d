// How many linear memories a core module defines. The engine bounds each of them and not their number,
// and a memory that is not exported cannot be seen from outside: so the binary is asked.

const MEMORY_SECTION = 5
const PREAMBLE_BYTES = 8

/** Reads the section headers of a module that the engine has already found valid. */
export function memoriesDefined(module: Uint8Array): number {
  let offset = PREAMBLE_BYTES
  while (offset < module.length) {
    const id = module[offset]
    const size = unsigned(module, offset + 1)
    if (id === MEMORY_SECTION) return unsigned(module, size.end).value
    offset = size.end + size.value
  }
  return 0
}

/** An unsigned LEB128 number of at most 32 bits, and where it ends. */
function unsigned(
  bytes: Uint8Array,
  start: number
): { readonly value: number; readonly end: number } {
  let value = 0
  let end = start
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[end] ?? 0
    value += (byte & 127) * scale
    end += 1
    if (byte < 128) return { value, end }
  }
}
