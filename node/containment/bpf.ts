// Seccomp filters as bytes of classic BPF: pure. A filter reads the number and the arguments of a system
// call and answers what becomes of it; the kernel takes no file, no text and no library for that.

/** The fields of `struct seccomp_data`, by their offsets. */
const OFFSET_NUMBER = 0
const OFFSET_ARCHITECTURE = 4
const OFFSET_ARGUMENTS = 16

const LOAD = 0x20
const AND = 0x54
const JUMP_EQUAL = 0x15
const JUMP_AT_LEAST = 0x35
const RETURN = 0x06

const KILL_PROCESS = 0x8000_0000
const ALLOW = 0x7fff_0000
const ERRNO = 0x0005_0000

/** What becomes of one system call. Arguments are compared by their low 32 bits, as the kernel reads them. */
export type Rule =
  | { readonly number: number; readonly kind: 'errno'; readonly errno: number }
  /** Refused while any of these bits are set in the argument. */
  | {
      readonly number: number
      readonly kind: 'errno-if-bits'
      readonly argument: number
      readonly bits: number
      readonly errno: number
    }
  /** Refused unless the argument is `value` in the bits of `mask`. */
  | {
      readonly number: number
      readonly kind: 'errno-unless-masked'
      readonly argument: number
      readonly mask: number
      readonly value: number
      readonly errno: number
    }
  /** Refused if the argument is one of these. */
  | {
      readonly number: number
      readonly kind: 'errno-if-equal'
      readonly argument: number
      readonly values: readonly number[]
      readonly errno: number
    }
  /** Refused unless the arguments fit one of these; a null fits all. */
  | {
      readonly number: number
      readonly kind: 'errno-unless'
      readonly allowed: readonly { readonly first: number; readonly third: number | null }[]
      readonly errno: number
    }

export interface Filter {
  /** The `AUDIT_ARCH_...` that alone may call; anything else ends the process. */
  readonly architecture: number
  /** Numbers from here on belong to another ABI of the same machine, and are refused; null: none. */
  readonly foreignFrom: number | null
  readonly rules: readonly Rule[]
}

const EPERM = 1

interface Instruction {
  readonly code: number
  readonly ifTrue: number
  readonly ifFalse: number
  readonly value: number
}

/** The filter as an array of `struct sock_filter`, little-endian. */
export function assemble(filter: Filter): Uint8Array {
  const program: Instruction[] = [
    op(LOAD, OFFSET_ARCHITECTURE),
    { ...op(JUMP_EQUAL, filter.architecture), ifTrue: 1 },
    op(RETURN, KILL_PROCESS),
    op(LOAD, OFFSET_NUMBER)
  ]
  if (filter.foreignFrom !== null) {
    program.push({ ...op(JUMP_AT_LEAST, filter.foreignFrom), ifFalse: 1 }, refuse(EPERM))
  }
  for (const rule of filter.rules) {
    const body = bodyOf(rule)
    // Jumps reach 255 instructions; a body has a few.
    program.push({ ...op(JUMP_EQUAL, rule.number), ifFalse: body.length }, ...body)
  }
  program.push(op(RETURN, ALLOW))
  return bytesOf(program)
}

/** Every body ends with a return, so that none falls into the next rule. */
function bodyOf(rule: Rule): readonly Instruction[] {
  switch (rule.kind) {
    case 'errno':
      return [refuse(rule.errno)]
    case 'errno-if-bits':
      return [
        op(LOAD, argumentOffset(rule.argument)),
        op(AND, rule.bits),
        { ...op(JUMP_EQUAL, 0), ifFalse: 1 },
        op(RETURN, ALLOW),
        refuse(rule.errno)
      ]
    case 'errno-unless-masked':
      return [
        op(LOAD, argumentOffset(rule.argument)),
        op(AND, rule.mask),
        { ...op(JUMP_EQUAL, rule.value), ifFalse: 1 },
        op(RETURN, ALLOW),
        refuse(rule.errno)
      ]
    case 'errno-if-equal':
      return [
        op(LOAD, argumentOffset(rule.argument)),
        ...rule.values.flatMap((value) => [
          { ...op(JUMP_EQUAL, value), ifFalse: 1 },
          refuse(rule.errno)
        ]),
        op(RETURN, ALLOW)
      ]
    case 'errno-unless':
      return [...rule.allowed.flatMap(allowance), refuse(rule.errno)]
    default:
      return rule satisfies never
  }
}

function allowance({
  first,
  third
}: {
  readonly first: number
  readonly third: number | null
}): readonly Instruction[] {
  const load = op(LOAD, argumentOffset(0))
  if (third === null) {
    return [load, { ...op(JUMP_EQUAL, first), ifFalse: 1 }, op(RETURN, ALLOW)]
  }
  return [
    load,
    { ...op(JUMP_EQUAL, first), ifFalse: 3 },
    op(LOAD, argumentOffset(2)),
    { ...op(JUMP_EQUAL, third), ifFalse: 1 },
    op(RETURN, ALLOW)
  ]
}

function argumentOffset(index: number): number {
  return OFFSET_ARGUMENTS + 8 * index // The low half: both machines are little-endian.
}

function op(code: number, value: number): Instruction {
  return { code, ifTrue: 0, ifFalse: 0, value }
}

function refuse(errno: number): Instruction {
  return op(RETURN, ERRNO + errno)
}

function bytesOf(program: readonly Instruction[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8 * program.length))
  for (const [index, { code, ifTrue, ifFalse, value }] of program.entries()) {
    bytes.setUint16(8 * index, code, true)
    bytes.setUint8(8 * index + 2, ifTrue)
    bytes.setUint8(8 * index + 3, ifFalse)
    bytes.setUint32(8 * index + 4, value, true)
  }
  return new Uint8Array(bytes.buffer)
}
