// Bytes in linear memory. Nothing is ever freed: an instance serves one call and is thrown away whole.

/** A run of bytes that lies in linear memory. */
export class Bytes {
  constructor(
    readonly pointer: usize,
    readonly length: i32
  ) {}

  at(index: i32): u8 {
    return load<u8>(this.pointer + <usize>index)
  }

  equals(text: string): bool {
    const other = bytesOf(text)
    return (
      this.length == other.length &&
      memory.compare(this.pointer, other.pointer, <usize>this.length) == 0
    )
  }
}

export function bytesOf(text: string): Bytes {
  const length = String.UTF8.byteLength(text)
  const pointer = heap.alloc(<usize>length)
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, pointer)
  return new Bytes(pointer, length)
}

/** Appends to a buffer that doubles when it is full. */
export class Writer {
  private pointer: usize
  private capacity: i32
  private length: i32 = 0

  constructor(capacity: i32) {
    this.capacity = max(capacity, 16)
    this.pointer = heap.alloc(<usize>this.capacity)
  }

  byte(value: u32): void {
    this.reserve(1)
    store<u8>(this.pointer + <usize>this.length, <u8>value)
    this.length += 1
  }

  bytes(value: Bytes): void {
    this.reserve(value.length)
    memory.copy(this.pointer + <usize>this.length, value.pointer, <usize>value.length)
    this.length += value.length
  }

  text(value: string): void {
    this.bytes(bytesOf(value))
  }

  hex(value: Bytes): void {
    for (let index = 0; index < value.length; index++) {
      const byte = <u32>value.at(index)
      this.byte(hexDigit(byte >> 4))
      this.byte(hexDigit(byte & 15))
    }
  }

  done(): Bytes {
    return new Bytes(this.pointer, this.length)
  }

  private reserve(more: i32): void {
    if (this.length + more <= this.capacity) return
    this.capacity = max(this.capacity * 2, this.length + more)
    const wider = heap.alloc(<usize>this.capacity)
    memory.copy(wider, this.pointer, <usize>this.length)
    this.pointer = wider
  }
}

function hexDigit(value: u32): u32 {
  return value < 10 ? 48 + value : 87 + value
}
