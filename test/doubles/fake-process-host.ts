import { WeaverError } from '../../core/index.ts'
import type { ExitStatus, ProcessHost, RunningProcess, SpawnRequest } from '../../agents/ports.ts'

/** A process without an operating system: it ends when the test says so, or when it is stopped. */
export class FakeProcess implements RunningProcess {
  readonly osPid: number
  readonly request: SpawnRequest
  readonly exited: Promise<ExitStatus>
  /** `TERM` when it was asked to end, `stop` calls with their grace: what has been done to it. */
  readonly calls: string[] = []
  isStubborn = false
  readonly #end: (status: ExitStatus) => void
  #hasEnded = false

  constructor(osPid: number, request: SpawnRequest) {
    const { promise, resolve } = Promise.withResolvers<ExitStatus>()
    this.osPid = osPid
    this.request = request
    this.exited = promise
    this.#end = resolve
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  end(status: ExitStatus): void {
    this.#hasEnded = true
    this.#end(status)
  }

  signal(name: string): void {
    this.calls.push(name)
  }

  async stop(graceMs: number): Promise<ExitStatus> {
    this.calls.push(`stop ${graceMs}`)
    if (!this.isStubborn) this.end({ code: null, signal: 'SIGTERM' })
    return await this.exited
  }

  detachIo(): void {
    this.calls.push('detach')
  }
}

/** Starts fake processes; one is live at most per pid. */
export class FakeProcessHost implements ProcessHost {
  readonly started: FakeProcess[] = []
  /** Errors to answer the next starts with, oldest first. */
  readonly failures: WeaverError[] = []
  /** While set, starts wait for it. */
  gate: Promise<void> | null = null
  /** Pids whose output is held. */
  readonly held: number[] = []
  #osPid = 1000

  get live(): readonly FakeProcess[] {
    return this.started.filter((process) => !process.hasEnded)
  }

  holdOutput(pid: number): () => void {
    this.held.push(pid)
    return () => void this.held.splice(this.held.indexOf(pid), 1)
  }

  async spawn(request: SpawnRequest): Promise<RunningProcess> {
    await this.gate
    const failure = this.failures.shift()
    if (failure !== undefined) throw failure
    if (this.live.some((process) => process.request.pid === request.pid)) {
      throw new WeaverError('PROCESS_SPAWN_FAILED', `Cannot start ${request.pid} twice`)
    }
    this.#osPid += 1
    const process = new FakeProcess(this.#osPid, request)
    this.started.push(process)
    return process
  }
}
