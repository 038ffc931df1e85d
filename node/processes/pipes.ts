// Real pipes for the standard streams of children.
//
// Node gives a child sockets for its streams, and on Linux a socket cannot be opened by name: in such a
// child `cat /dev/stdin`, `tee /dev/stderr` and `echo > /dev/stdout` fail, which work in every terminal.
// Node cannot make pipes, but a shell makes one for each here-document, and on Linux the pipes of
// another process of ours can be opened by name. So one small shell makes pipes, seven at a time, which is
// as many descriptors as a portable script can name. (Named pipes will not do: opening one by name
// waits for the other side, for ever if that has been closed.)

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { Logger } from '../../core/index.ts'
import { PIPES_LOW } from './limits.ts'

const DESCRIPTORS = [3, 4, 5, 6, 7, 8, 9]
// Each line asks for new pipes, in place of the last ones. bash gives /dev/null for an empty document, so
// each holds an empty line, which is taken out again.
const DOCUMENTS = DESCRIPTORS.map((descriptor) => `${descriptor}<<E`).join(' ')
const SCRIPT = `
trap '' TERM INT HUP
while read -r _; do
exec ${DOCUMENTS}
${DESCRIPTORS.map(() => '\nE').join('\n')}
echo made
done
`
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** Both ends of a pipe, open in this process. Not inherited by children unless given to them. */
export interface Pipe {
  /** Does not block. */
  readonly reader: number
  /** Blocks. */
  readonly writer: number
}

export class PipeMaker {
  readonly #deps: { readonly log: Logger }
  #shell: ChildProcess | null = null
  #free: Pipe[] = []
  #making: Promise<void> | null = null

  constructor(deps: { readonly log: Logger }) {
    this.#deps = deps
  }

  /** Without it, and where pipes cannot be made, `take` answers null. */
  async start(): Promise<void> {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      cwd: '/',
      env: {},
      detached: true, // A Ctrl-C at the kernel's terminal is not for it.
      stdio: ['pipe', 'pipe', 'ignore']
    })
    this.#shell = shell
    shell.unref()
    shell.stdin.on('error', () => {}) // It has ended; `exit` tells.
    shell.once('error', () => this.#giveUp('it does not start'))
    shell.once('exit', () => this.#giveUp('it has ended'))
    await this.#make()
  }

  /** `count` fresh pipes, for the caller to close; null: use sockets. */
  async take(count: number): Promise<readonly Pipe[] | null> {
    while (this.#free.length < count) {
      if (this.#shell === null) return null
      await this.#make()
    }
    const taken = this.#free.splice(0, count)
    if (this.#free.length < PIPES_LOW) void this.#make()
    return taken
  }

  async stop(): Promise<void> {
    const shell = this.#shell
    this.#shell = null
    shell?.kill('SIGKILL')
    await this.#making
    for (const pipe of this.#free) closePipe(pipe)
    this.#free = []
  }

  /** Never rejects. */
  #make(): Promise<void> {
    this.#making ??= this.#fill().finally(() => {
      this.#making = null
    })
    return this.#making
  }

  async #fill(): Promise<void> {
    do await this.#ask()
    while (this.#shell !== null && this.#free.length < PIPES_LOW)
  }

  async #ask(): Promise<void> {
    const shell = this.#shell
    if (shell?.stdout == null || shell.stdin === null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    shell.stdout.once('data', resolve)
    shell.once('close', resolve)
    shell.stdin.write('\n')
    await promise
    shell.stdout.off('data', resolve)
    shell.off('close', resolve)
    if (this.#shell !== shell) return
    try {
      for (const descriptor of DESCRIPTORS)
        this.#free.push(openPipe(`/proc/${shell.pid}/fd/${descriptor}`))
    } catch (error) {
      this.#giveUp(String(error))
    }
  }

  #giveUp(why: string): void {
    if (this.#shell === null) return
    this.#shell.kill('SIGKILL')
    this.#shell = null
    this.#deps.log.warn('Cannot make pipes: /dev/stdout will not open in processes', { why })
  }
}

export function closePipe(pipe: Pipe): void {
  closeSync(pipe.reader)
  closeSync(pipe.writer)
}

/** Opens both ends of the pipe at `path`, which the shell filled with one line break. */
function openPipe(path: string): Pipe {
  const reader = openSync(path, O_RDONLY | O_NONBLOCK)
  try {
    if (!fstatSync(reader).isFIFO()) throw new Error('this shell keeps here-documents in files')
    readSync(reader, new Uint8Array(16), 0, 16, null)
    return { reader, writer: openSync(path, O_WRONLY) }
  } catch (error) {
    closeSync(reader)
    throw error
  }
}

/**
 * The ends for a stream that the child reads: hers blocks, ours does not. Takes the pipe over, also when
 * it throws.
 */
export function turnedAround(pipe: Pipe): { readonly childEnd: number; readonly ownEnd: number } {
  try {
    const childEnd = openSync(`/proc/self/fd/${pipe.reader}`, O_RDONLY)
    try {
      return { childEnd, ownEnd: openSync(`/proc/self/fd/${pipe.writer}`, O_WRONLY | O_NONBLOCK) }
    } catch (error) {
      closeSync(childEnd)
      throw error
    }
  } finally {
    closePipe(pipe)
  }
}
