// One flat JSON object of strings and whole numbers, read from UTF-8 bytes. All else is refused.

import { Bytes, Writer } from './bytes'

/** One member. `text` is null where the value was a number. */
export class Member {
  constructor(
    readonly name: Bytes,
    readonly text: Bytes | null,
    readonly number: i32
  ) {}
}

const NUMBER_MAX: i64 = 0x7fffffff

/** Reads one object. When `failure` is not empty, it says why the rest was not read. */
export class Reader {
  failure: string = ''
  private offset: i32 = 0

  constructor(private readonly input: Bytes) {}

  members(): Member[] {
    const members: Member[] = []
    if (!this.take(0x7b)) return this.fail('the input must be an object', members)
    if (this.take(0x7d)) return this.ended(members)
    do {
      const member = this.member()
      if (member === null) return members
      members.push(member)
    } while (this.take(0x2c))
    if (!this.take(0x7d)) return this.fail('an object does not end', members)
    return this.ended(members)
  }

  private member(): Member | null {
    const name = this.string()
    if (name === null) return null
    if (!this.take(0x3a)) {
      this.failure = 'a name has no value'
      return null
    }
    this.skipSpace()
    if (this.peek() != 0x22) return this.number(name)
    const text = this.string()
    return text === null ? null : new Member(name, text, 0)
  }

  private number(name: Bytes): Member | null {
    const start = this.offset
    let value: i64 = 0
    while (this.peek() >= 0x30 && this.peek() <= 0x39 && value <= NUMBER_MAX) {
      value = value * 10 + <i64>(this.next() - 0x30)
    }
    if (this.offset == start || value > NUMBER_MAX || this.peek() == 0x2e || this.peek() == 0x65) {
      this.failure = 'values must be strings or whole numbers from 0 to 2147483647'
      return null
    }
    return new Member(name, null, <i32>value)
  }

  private string(): Bytes | null {
    if (!this.take(0x22)) {
      this.failure = 'a string was expected'
      return null
    }
    const writer = new Writer(64)
    while (this.offset < this.input.length) {
      const byte = this.next()
      if (byte == 0x22) return writer.done()
      if (byte < 0x20) break
      if (byte != 0x5c) writer.byte(byte)
      else if (!this.escape(writer)) break
    }
    this.failure = 'a string does not end, or has a wrong escape'
    return null
  }

  private escape(writer: Writer): bool {
    const byte = this.next()
    if (byte == 0x75) return this.unicode(writer)
    if (byte == 0x22 || byte == 0x5c || byte == 0x2f) writer.byte(byte)
    else if (byte == 0x62) writer.byte(0x08)
    else if (byte == 0x66) writer.byte(0x0c)
    else if (byte == 0x6e) writer.byte(0x0a)
    else if (byte == 0x72) writer.byte(0x0d)
    else if (byte == 0x74) writer.byte(0x09)
    else return false
    return true
  }

  /** A pair of surrogates is one code point; one that is alone becomes U+FFFD, as in TextEncoder. */
  private unicode(writer: Writer): bool {
    const first = this.fourDigits()
    if (first < 0) return false
    if (first < 0xd800 || first > 0xdfff) return writeCodePoint(writer, first)
    const resume = this.offset
    if (first < 0xdc00 && this.next() == 0x5c && this.next() == 0x75) {
      const second = this.fourDigits()
      if (second >= 0xdc00 && second <= 0xdfff) {
        return writeCodePoint(writer, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
      }
    }
    this.offset = resume // What follows is read by itself.
    return writeCodePoint(writer, 0xfffd)
  }

  private fourDigits(): i32 {
    let value = 0
    for (let count = 0; count < 4; count++) {
      const byte = <i32>this.next()
      const lower = byte | 0x20
      if (byte >= 0x30 && byte <= 0x39) value = value * 16 + byte - 0x30
      else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x57
      else return -1
    }
    return value
  }

  private ended(members: Member[]): Member[] {
    this.skipSpace()
    if (this.offset < this.input.length) this.failure = 'something follows the object'
    return members
  }

  private fail(why: string, members: Member[]): Member[] {
    this.failure = why
    return members
  }

  private take(byte: u8): bool {
    this.skipSpace()
    if (this.peek() != byte) return false
    this.offset += 1
    return true
  }

  private skipSpace(): void {
    for (;;) {
      const byte = this.peek()
      if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) return
      this.offset += 1
    }
  }

  /** Zero, which is in no valid JSON, at the end. */
  private peek(): u8 {
    return this.offset < this.input.length ? this.input.at(this.offset) : 0
  }

  private next(): u8 {
    const byte = this.peek()
    this.offset += 1
    return byte
  }
}

function writeCodePoint(writer: Writer, point: u32): bool {
  if (point < 0x80) {
    writer.byte(point)
    return true
  }
  if (point < 0x800) {
    writer.byte(0xc0 | (point >> 6))
  } else {
    if (point < 0x10000) {
      writer.byte(0xe0 | (point >> 12))
    } else {
      writer.byte(0xf0 | (point >> 18))
      writer.byte(0x80 | ((point >> 12) & 63))
    }
    writer.byte(0x80 | ((point >> 6) & 63))
  }
  writer.byte(0x80 | (point & 63))
  return true
}
