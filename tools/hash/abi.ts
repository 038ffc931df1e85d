// The canonical ABI of the component model, as much of it as `world tool` needs.

import { Bytes } from './bytes'

/** What the host calls to place arguments in this memory. */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  if (size == 0) return align
  const pointer = heap.alloc(size) // 16-byte aligned: more than any type of the ABI asks.
  if (old != 0) memory.copy(pointer, old, min(oldSize, size))
  return pointer
}

/** `string`, returned: a pointer to its address and length. */
export function loweredString(value: Bytes): usize {
  const area = heap.alloc(8)
  store<u32>(area, <u32>value.pointer, 0)
  store<u32>(area, <u32>value.length, 4)
  return area
}

/** `result<string, string>`, returned: a pointer to its tag (0 is ok), address and length. */
export function loweredResult(isOk: bool, value: Bytes): usize {
  const area = heap.alloc(12)
  store<u32>(area, isOk ? 0 : 1, 0)
  store<u32>(area, <u32>value.pointer, 4)
  store<u32>(area, <u32>value.length, 8)
  return area
}

/** Ends the instance: the compiler calls it where its own library would throw. */
export function trap(message: usize, file: usize, line: u32, column: u32): void {
  unreachable()
}
