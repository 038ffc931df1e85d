// SHA-3 and SHAKE (FIPS 202): the sponge over Keccak-f[1600].

import { Bytes } from './bytes'

const ROUND_CONSTANTS: StaticArray<u64> = [
  0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
  0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
  0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
  0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
  0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
  0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008
]

// The path of rho and pi through the 24 lanes that move: where each goes, and by how much it turns.
const PI: StaticArray<i32> = [
  10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1
]
const RHO: StaticArray<i32> = [
  1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44
]

export const SHA3_SUFFIX: u8 = 0x06
export const SHAKE_SUFFIX: u8 = 0x1f
const STATE_BYTES: usize = 200

/** Absorbs `input` at `rate` bytes a block, and squeezes `outputLength` bytes. */
export function keccak(input: Bytes, rate: i32, suffix: u8, outputLength: i32): Bytes {
  const state = heap.alloc(STATE_BYTES)
  memory.fill(state, 0, STATE_BYTES)
  let offset = 0
  while (input.length - offset >= rate) {
    absorb(state, input.pointer + <usize>offset, rate)
    permute(state)
    offset += rate
  }
  absorb(state, input.pointer + <usize>offset, input.length - offset)
  const end = state + <usize>(input.length - offset)
  store<u8>(end, load<u8>(end) ^ suffix)
  const last = state + <usize>(rate - 1)
  store<u8>(last, load<u8>(last) ^ 0x80)
  return squeeze(state, rate, outputLength)
}

function absorb(state: usize, block: usize, length: i32): void {
  // Byte by byte: lanes are little-endian, and so is WebAssembly.
  for (let index: usize = 0; index < <usize>length; index++) {
    store<u8>(state + index, load<u8>(state + index) ^ load<u8>(block + index))
  }
}

function squeeze(state: usize, rate: i32, outputLength: i32): Bytes {
  const output = heap.alloc(<usize>outputLength)
  let offset = 0
  while (offset < outputLength) {
    permute(state)
    const length = min(rate, outputLength - offset)
    memory.copy(output + <usize>offset, state, <usize>length)
    offset += length
  }
  return new Bytes(output, outputLength)
}

const columns = new StaticArray<u64>(5)

function permute(state: usize): void {
  for (let round = 0; round < 24; round++) {
    theta(state)
    rhoAndPi(state)
    chi(state)
    store<u64>(state, load<u64>(state) ^ unchecked(ROUND_CONSTANTS[round]))
  }
}

function theta(state: usize): void {
  for (let x = 0; x < 5; x++) {
    const parity = lane(state, x) ^ lane(state, x + 5) ^ lane(state, x + 10)
    unchecked((columns[x] = parity ^ lane(state, x + 15) ^ lane(state, x + 20)))
  }
  for (let x = 0; x < 5; x++) {
    const mix = unchecked(columns[(x + 4) % 5]) ^ rotl<u64>(unchecked(columns[(x + 1) % 5]), 1)
    for (let y = 0; y < 25; y += 5) setLane(state, x + y, lane(state, x + y) ^ mix)
  }
}

function rhoAndPi(state: usize): void {
  let moving = lane(state, 1)
  for (let step = 0; step < 24; step++) {
    const target = unchecked(PI[step])
    const displaced = lane(state, target)
    setLane(state, target, rotl<u64>(moving, unchecked(RHO[step])))
    moving = displaced
  }
}

function chi(state: usize): void {
  for (let y = 0; y < 25; y += 5) {
    for (let x = 0; x < 5; x++) unchecked((columns[x] = lane(state, x + y)))
    for (let x = 0; x < 5; x++) {
      const others = ~unchecked(columns[(x + 1) % 5]) & unchecked(columns[(x + 2) % 5])
      setLane(state, x + y, unchecked(columns[x]) ^ others)
    }
  }
}

function lane(state: usize, index: i32): u64 {
  return load<u64>(state + ((<usize>index) << 3))
}

function setLane(state: usize, index: i32, value: u64): void {
  store<u64>(state + ((<usize>index) << 3), value)
}
