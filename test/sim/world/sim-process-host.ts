import { millis, WeaverError } from '../../../core/index.ts'
import type { FrameChannel, Millis } from '../../../core/index.ts'
import type { ProcessHost, RunningProcess, SpawnRequest } from '../../../scheduler/ports.ts'
import type { ExitStatus } from '../../../scheduler/result.ts'
import type { Life } from './life.ts'
import type { VirtualClock } from './virtual-clock.ts'

const STDIN = 0
const STDIN_END = 1
const STDOUT = 16

/** One start of a command on one machine: the effect that oracles hold against the records. */
export interface Effect {
  readonly node: string
  readonly at: number
  readonly request: SpawnRequest
  /** Until it has ended, by itself or with its kernel. */
  isRunning: boolean
}

/** What the words of a simulated command say: `sim for=200 exit=3 say=hello` or `sim cat`. */
interface Script {
  readonly forMs: number
  readonly code: number
  readonly say: string
  readonly isCat: boolean
}

/** Runs simulated commands for simulated time. They die with the kernel that started them. */
export class SimProcessHost implements ProcessHost {
  readonly #deps: {
    readonly clock: VirtualClock
    readonly life: Life
    readonly onEffect: (effect: Effect) => void
  }
  readonly #node: string
  #osPid = 1000

  constructor(
    deps: { clock: VirtualClock; life: Life; onEffect: (effect: Effect) => void },
    options: { node: string }
  ) {
    this.#deps = deps
    this.#node = options.node
  }

  async spawn(request: SpawnRequest): Promise<RunningProcess> {
    const { clock, life, onEffect } = this.#deps
    await life.guard(clock.sleep(millis(1)))
    const [program, ...words] = request.command
    if (program !== 'sim') {
      throw new WeaverError(
        'PROCESS_NOT_FOUND',
        `Cannot start '${program}': there is no such command`
      )
    }
    const effect = { node: this.#node, at: clock.now(), request, isRunning: true }
    const ended = (): void => {
      effect.isRunning = false
    }
    life.onEnd(ended)
    onEffect(effect)
    const process = new SimProcess(
      { clock, life, io: request.io },
      { osPid: this.#osPid++, ...script(words) }
    )
    void process.exited.then(ended)
    return process
  }
}

class SimProcess implements RunningProcess {
  readonly osPid: number
  readonly exited: Promise<ExitStatus>
  readonly #deps: {
    readonly clock: VirtualClock
    readonly life: Life
    readonly io: FrameChannel | null
  }
  readonly #script: Script
  readonly #settle: (status: ExitStatus) => void
  #isAttached: boolean

  constructor(
    deps: { clock: VirtualClock; life: Life; io: FrameChannel | null },
    options: Script & { readonly osPid: number }
  ) {
    const { promise, resolve } = Promise.withResolvers<ExitStatus>()
    this.#deps = deps
    this.#script = options
    this.osPid = options.osPid
    this.exited = deps.life.guard(promise)
    this.#settle = resolve
    this.#isAttached = deps.io !== null
    void this.#run()
  }

  signal(name: string): void {
    this.#settle({ code: null, signal: name })
  }

  stop(graceMs: Millis): Promise<ExitStatus> {
    this.#deps.clock.after(graceMs / 2, () => this.#settle({ code: null, signal: 'SIGTERM' }))
    return this.exited
  }

  detachIo(): void {
    this.#isAttached = false
  }

  async #run(): Promise<void> {
    const { clock, io, life } = this.#deps
    try {
      if (io !== null && this.#script.isCat) await this.#echo(io)
      else await clock.sleep(millis(this.#script.forMs))
      if (life.isOver) return
      if (io !== null && this.#isAttached && this.#script.say !== '') {
        await io.send(Buffer.concat([Uint8Array.of(STDOUT), Buffer.from(this.#script.say)]))
      }
    } catch {
      // Whoever was attached has gone: a process goes on without a reader, and ends as it would have.
    }
    io?.end()
    this.#settle({ code: this.#script.code, signal: null })
  }

  async #echo(io: FrameChannel): Promise<void> {
    for await (const frame of io.frames) {
      if (frame[0] === STDIN_END) return
      if (frame[0] === STDIN)
        await io.send(Buffer.concat([Uint8Array.of(STDOUT), frame.subarray(1)]))
    }
  }
}

function script(words: readonly string[]): Script {
  const value = (key: string): string | undefined =>
    words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1)
  return {
    forMs: Number(value('for') ?? 0),
    code: Number(value('exit') ?? 0),
    say: value('say') ?? '',
    isCat: words.includes('cat')
  }
}
