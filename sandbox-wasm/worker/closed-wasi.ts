// WASI 0.2 with every door shut, for tools whose language cannot be without it: no environment, no
// arguments, no directories, input that has ended, output that goes nowhere. What is left is the time
// and random bytes. There are no sockets and no HTTP: a tool that imports those is refused.
//
// Written here and not taken from preview2-shim, which is open unless told otherwise, and needs threads
// and native code that this process may not load.

/** The interfaces below, without versions: what a caller may grant. */
export const CLOSED_INTERFACES: readonly string[] = [
  'wasi:cli/environment',
  'wasi:cli/exit',
  'wasi:cli/stderr',
  'wasi:cli/stdin',
  'wasi:cli/stdout',
  'wasi:cli/terminal-input',
  'wasi:cli/terminal-output',
  'wasi:cli/terminal-stderr',
  'wasi:cli/terminal-stdin',
  'wasi:cli/terminal-stdout',
  'wasi:clocks/monotonic-clock',
  'wasi:clocks/wall-clock',
  'wasi:filesystem/preopens',
  'wasi:filesystem/types',
  'wasi:io/error',
  'wasi:io/poll',
  'wasi:io/streams',
  'wasi:random/insecure',
  'wasi:random/insecure-seed',
  'wasi:random/random'
]

const RANDOM_BYTES_MAX = 65_536 // What getRandomValues gives at once, and no honest guest asks for more.
const WRITE_BYTES_MAX = 65_536n
const NANOS_PER_MILLI = 1_000_000n

/** What the guest sees as the error value of a result: jco looks for `payload`. */
class Refused extends Error {
  readonly payload: unknown

  constructor(payload: unknown) {
    super('refused')
    this.payload = payload
  }
}

/** Ends the guest as a trap does. */
class GuestExited extends Error {
  constructor() {
    super('The guest called exit')
  }
}

class Nothing {
  readonly isOpen = false
}

class IoError {
  toDebugString(): string {
    return 'closed'
  }
}

class Pollable {
  readonly #readyAt: bigint

  constructor(readyAt = 0n) {
    this.#readyAt = readyAt
  }

  ready(): boolean {
    return monotonicNow() >= this.#readyAt
  }

  block(): void {
    const held = new Int32Array(new SharedArrayBuffer(4))
    while (!this.ready()) {
      const left = Number((this.#readyAt - monotonicNow()) / NANOS_PER_MILLI)
      Atomics.wait(held, 0, 0, Math.max(1, left))
    }
  }
}

class InputStream {
  read(): never {
    throw new Refused({ tag: 'closed' })
  }
  blockingRead(): never {
    return this.read()
  }
  skip(): never {
    return this.read()
  }
  blockingSkip(): never {
    return this.read()
  }
  subscribe(): Pollable {
    return new Pollable()
  }
}

class OutputStream {
  checkWrite(): bigint {
    return WRITE_BYTES_MAX
  }
  write(): void {}
  blockingWriteAndFlush(): void {}
  writeZeroes(): void {}
  blockingWriteZeroesAndFlush(): void {}
  flush(): void {}
  blockingFlush(): void {}
  splice(): never {
    throw new Refused({ tag: 'closed' })
  }
  blockingSplice(): never {
    return this.splice()
  }
  subscribe(): Pollable {
    return new Pollable()
  }
}

/** The kinds of resource of which no guest will ever hold one: it has no terminal and no directory. */
class TerminalInput extends Nothing {}
class TerminalOutput extends Nothing {}
class Descriptor extends Nothing {}
class DirectoryEntryStream extends Nothing {}

/** The imports of one instance, by interface. Nothing in them is shared between instances. */
export function closedWasi(): Readonly<Record<string, object>> {
  return { ...closedCli(), ...closedClocks(), ...closedStreams(), ...closedRandom() }
}

function closedCli(): Readonly<Record<string, object>> {
  const stream = new OutputStream()
  return {
    'wasi:cli/environment': {
      getEnvironment: () => [],
      getArguments: () => [],
      initialCwd: () => undefined
    },
    'wasi:cli/exit': { exit: exited, exitWithCode: exited },
    'wasi:cli/stderr': { getStderr: () => stream },
    'wasi:cli/stdin': { getStdin: () => new InputStream() },
    'wasi:cli/stdout': { getStdout: () => stream },
    'wasi:cli/terminal-input': { TerminalInput },
    'wasi:cli/terminal-output': { TerminalOutput },
    'wasi:cli/terminal-stderr': { getTerminalStderr: () => undefined },
    'wasi:cli/terminal-stdin': { getTerminalStdin: () => undefined },
    'wasi:cli/terminal-stdout': { getTerminalStdout: () => undefined }
  }
}

function exited(): never {
  throw new GuestExited()
}

function closedStreams(): Readonly<Record<string, object>> {
  return {
    'wasi:filesystem/preopens': { getDirectories: () => [] },
    'wasi:filesystem/types': {
      Descriptor,
      DirectoryEntryStream,
      filesystemErrorCode: () => undefined
    },
    'wasi:io/error': { Error: IoError },
    'wasi:io/poll': { Pollable, poll },
    'wasi:io/streams': { InputStream, OutputStream }
  }
}

function closedClocks(): Readonly<Record<string, object>> {
  return {
    'wasi:clocks/monotonic-clock': {
      now: monotonicNow,
      resolution: () => NANOS_PER_MILLI,
      subscribeInstant: (at: bigint) => new Pollable(at),
      subscribeDuration: (length: bigint) => new Pollable(monotonicNow() + length)
    },
    'wasi:clocks/wall-clock': {
      now: () => {
        const wall = wallNow()
        return { seconds: BigInt(Math.floor(wall / 1000)), nanoseconds: (wall % 1000) * 1_000_000 }
      },
      resolution: () => ({ seconds: 0n, nanoseconds: 1_000_000 })
    }
  }
}

function closedRandom(): Readonly<Record<string, object>> {
  const u64 = (): bigint => new DataView(randomBytes(8n).buffer).getBigUint64(0)
  return {
    'wasi:random/random': { getRandomBytes: randomBytes, getRandomU64: u64 },
    'wasi:random/insecure': { getInsecureRandomBytes: randomBytes, getInsecureRandomU64: u64 },
    'wasi:random/insecure-seed': { insecureSeed: () => [u64(), u64()] }
  }
}

function poll(pollables: readonly Pollable[]): Uint32Array {
  for (;;) {
    const ready = [...pollables.keys()].filter((index) => pollables[index]?.ready() === true)
    if (ready.length > 0) return Uint32Array.from(ready)
    new Pollable(monotonicNow() + NANOS_PER_MILLI).block()
  }
}

function randomBytes(length: bigint): Uint8Array<ArrayBuffer> {
  if (length > RANDOM_BYTES_MAX) throw new RangeError(`Cannot give ${length} random bytes at once`)
  return crypto.getRandomValues(new Uint8Array(Number(length)))
}

// A guest's clock is the machine's: it runs in a process of its own, where no simulation reaches. In
// whole milliseconds, which also blunts it as an instrument for measuring its neighbours.

function monotonicNow(): bigint {
  // oxlint-disable-next-line no-restricted-globals
  return BigInt(Math.floor(performance.now())) * NANOS_PER_MILLI
}

function wallNow(): number {
  // oxlint-disable-next-line no-restricted-globals
  return Date.now()
}
