// A machine for classic BPF, as the kernel runs it over `struct seccomp_data`: what a filter answers.

export interface Call {
  readonly architecture: number
  readonly number: number
  readonly args: readonly number[]
}

/** The answer to a call: `SECCOMP_RET_...` with its data. Throws where the kernel would refuse the program. */
export function answerOf(program: Uint8Array, { architecture, number, args }: Call): number {
  const memory = new DataView(new ArrayBuffer(64))
  memory.setUint32(0, number, true)
  memory.setUint32(4, architecture, true)
  for (const [index, value] of args.entries()) {
    memory.setBigUint64(16 + 8 * index, BigInt.asUintN(64, BigInt(value)), true)
  }
  const view = new DataView(program.buffer, program.byteOffset, program.length)
  let accumulator = 0
  for (let at = 0; ; at++) {
    if (8 * at >= program.length) throw new Error('The program runs past its end')
    const value = view.getUint32(8 * at + 4, true)
    const jump = (isTrue: boolean): number => view.getUint8(8 * at + (isTrue ? 2 : 3))
    switch (view.getUint16(8 * at, true)) {
      case 0x20:
        accumulator = memory.getUint32(value, true)
        break
      case 0x54:
        accumulator = (accumulator & value) >>> 0
        break
      case 0x15:
        at += jump(accumulator === value)
        break
      case 0x35:
        at += jump(accumulator >= value)
        break
      case 0x06:
        return value
      default:
        throw new Error('The kernel knows no such instruction')
    }
  }
}
