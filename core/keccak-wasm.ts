// The Keccak-f[1600] permutation over two states at a time, as a WebAssembly module that is put together
// here, instruction by instruction: nothing is downloaded, and no binary lies in the repository.
//
// Each 128-bit vector holds one 64-bit lane of two independent sponges, so one pass does the work of two.
// FIPS 202 section 3.2 has the steps theta, rho, pi, chi and iota; section 3.2.5 the round constants.

/** Bytes that SHAKE-256 takes in before each permutation. */
export const RATE_BYTES = 136
/** In the module's memory: 25 vectors, one sponge in the lower halves and one in the upper ones. */
export const STATE_AT = 0
export const STATE_BYTES = 400
/** The first 32 bytes of both states as they are after the last call: the one's, then the other's. */
export const DIGESTS_AT = 1024
/** The rest of the memory is for messages. */
export const MESSAGES_AT = 2048
export const MEMORY_BYTES = 65_536

const ROUND_CONSTANTS_AT = 512
const ROUNDS = 24
const LANES = 25
const RATE_LANES = 17

type Code = readonly number[]

/** LEB128, unsigned; signed where a number is an operand. */
function unsigned(value: number): Code {
  const low = value & 127
  return value < 128 ? [low] : [low | 128, ...unsigned(value >>> 7)]
}

function signed(value: number): Code {
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >>> 7)]
}

function join(...parts: readonly Code[]): Code {
  return parts.flat()
}

const get = (local: number): Code => [0x20, ...unsigned(local)]
const set = (local: number): Code => [0x21, ...unsigned(local)]
const tee = (local: number): Code => [0x22, ...unsigned(local)]
const number = (value: number): Code => [0x41, ...signed(value)]
const vector = (operation: number, ...operands: Code): Code => [
  0xfd,
  ...unsigned(operation),
  ...operands
]
const ADD = [0x6a]
const SUBTRACT = [0x6b]
const LESS = [0x49]
const LOOP = [0x03, 0x40]
const REPEAT_IF = [0x0d, 0]
const END = [0x0b]
const AND_NOT = vector(0x4f)
const OR = vector(0x50)
const XOR = vector(0x51)
const SHIFT_LEFT = vector(0xcb)
const SHIFT_RIGHT = vector(0xcd)
const LOAD_BOTH = vector(0x0a, 3, 0) // One 64-bit number into both halves.
const load = (offset: number): Code => vector(0x00, 4, ...unsigned(offset))
const store = (offset: number): Code => vector(0x0b, 4, ...unsigned(offset))
const loadLower = (offset: number): Code => vector(0x5d, 0, ...unsigned(offset))
const loadUpper = (offset: number): Code => vector(0x57, 0, ...unsigned(offset), 1)
const storeHalf = (offset: number, half: number): Code => vector(0x5b, 0, ...unsigned(offset), half)

// Parameters and locals of the one function. The numbers first, then the vectors.
const FIRST = 0 // Where the message of the one sponge goes on,
const SECOND = 1 // and that of the other;
const BLOCKS = 2 // how many blocks to take in of both.
const CONSTANT = 3
const A = 4 // The state,
const B = A + LANES // and what rho and pi make of it.
const PARITY = B + LANES
const MIX = PARITY + 5
const VECTORS = MIX + 1 - A

/** Left rotations of rho, for the lane x + 5y. */
const ROTATIONS = [
  0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14
]

function rotated(local: number, bits: number): Code {
  if (bits === 0) return get(local)
  if (bits % 8 === 0) return join(get(local), get(local), shuffled(bits / 8))
  const right = join(get(local), number(64 - bits), SHIFT_RIGHT)
  return join(get(local), number(bits), SHIFT_LEFT, right, OR)
}

/** A rotation by whole bytes is one shuffle. */
function shuffled(bytes: number): Code {
  const half = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => (index - bytes + 8) % 8)
  return vector(0x0d, ...half, ...half.map((index) => index + 8))
}

/** What `make` makes for each number from 0 on. */
function each(count: number, make: (at: number) => Code): Code {
  return Array.from({ length: count }, (_, at) => make(at)).flat()
}

function absorbedLane(at: number): Code {
  const both = join(get(SECOND), get(FIRST), loadLower(8 * at), loadUpper(8 * at))
  return join(both, get(A + at), XOR, set(A + at))
}

function theta(x: number): Code {
  const [before, behind] = [PARITY + ((x + 4) % 5), PARITY + ((x + 1) % 5)]
  return join(get(before), rotated(behind, 1), XOR, set(MIX))
}

function rhoAndPi(x: number, y: number): Code {
  const lane = x + 5 * y
  const mixed = join(get(A + lane), get(MIX), XOR, set(A + lane))
  const to = y + 5 * ((2 * x + 3 * y) % 5)
  return join(mixed, rotated(A + lane, ROTATIONS[lane] ?? 0), set(B + to))
}

function chiAndIota(x: number, row: number): Code {
  const [here, next, behind] = [x, (x + 1) % 5, (x + 2) % 5].map((at) => get(B + row + at))
  const chi = join(here ?? [], behind ?? [], next ?? [], AND_NOT, XOR)
  const iota = x + row === 0 ? join(get(CONSTANT), LOAD_BOTH, XOR) : []
  return join(chi, iota, set(A + row + x))
}

function permutationRound(): Code {
  return join(
    each(5, (x) =>
      join(
        get(A + x),
        each(4, (row) => join(get(A + x + 5 * row + 5), XOR)),
        set(PARITY + x)
      )
    ),
    each(5, (x) =>
      join(
        theta(x),
        each(5, (y) => rhoAndPi(x, y))
      )
    ),
    each(5, (y) => each(5, (x) => chiAndIota(x, 5 * y)))
  )
}

function digest(half: 0 | 1): Code {
  const at = DIGESTS_AT + 32 * half
  return each(4, (lane) => join(number(0), get(A + lane), storeHalf(at + 8 * lane, half)))
}

function absorbFunction(): Code {
  const advance = (local: number): Code => join(get(local), number(RATE_BYTES), ADD, set(local))
  const constantsEnd = number(ROUND_CONSTANTS_AT + 8 * ROUNDS)
  return join(
    [2, 1, 0x7f, VECTORS, 0x7b], // Locals: one number, the rest vectors.
    each(LANES, (at) => join(number(0), load(STATE_AT + 16 * at), set(A + at))),
    join(LOOP, each(RATE_LANES, absorbedLane), number(ROUND_CONSTANTS_AT), set(CONSTANT)),
    join(LOOP, permutationRound(), get(CONSTANT), number(8), ADD, tee(CONSTANT)),
    join(constantsEnd, LESS, REPEAT_IF, END),
    join(advance(FIRST), advance(SECOND)),
    join(get(BLOCKS), number(1), SUBTRACT, tee(BLOCKS), REPEAT_IF, END),
    each(LANES, (at) => join(number(0), get(A + at), store(STATE_AT + 16 * at))),
    join(digest(0), digest(1), END)
  )
}

function sized(bytes: Code): Code {
  return join(unsigned(bytes.length), bytes)
}

function section(id: number, ...items: readonly Code[]): Code {
  return join([id], sized([items.length, ...items.flat()]))
}

function text(word: string): Code {
  return sized([...Buffer.from(word, 'latin1')])
}

/** The module: a `memory` and a function `absorb(first, second, blocks)` over the state in it. */
export function keccakModule(): Uint8Array<ArrayBuffer> {
  const magic = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const constants = join([0], number(ROUND_CONSTANTS_AT), END, sized(roundConstants()))
  return Uint8Array.from(
    join(
      join(magic, section(1, join([0x60], sized([0x7f, 0x7f, 0x7f]), [0]))),
      join(section(3, [0]), section(5, [0, MEMORY_BYTES / 65_536])),
      section(7, join(text('memory'), [2, 0]), join(text('absorb'), [0, 0])),
      join(section(10, sized(absorbFunction())), section(11, constants))
    )
  )
}

/** Each from a shift register (FIPS 202, algorithm 5), in the byte order of WebAssembly. */
function roundConstants(): Code {
  const bytes = new DataView(new ArrayBuffer(8 * ROUNDS))
  let register = 1
  for (let at = 0; at < ROUNDS; at += 1) {
    let constant = 0n
    for (let bit = 0; bit < 7; bit += 1) {
      if ((register & 1) === 1) constant |= 1n << BigInt(2 ** bit - 1)
      register = (register << 1) ^ ((register >> 7) * 0x171)
    }
    bytes.setBigUint64(8 * at, constant, true)
  }
  return [...new Uint8Array(bytes.buffer)]
}
