import type { OsProcess, OsProcesses } from '../../node/processes/os-processes.ts'

/** A process table that the test writes. A killed process is gone at the next look. */
export class FakeOsProcesses implements OsProcesses {
  readonly signals: string[] = []
  boot = 'boot-1'
  #processes: readonly OsProcess[] = []

  add(process: Partial<OsProcess> & { readonly osPid: number }): void {
    const { osPid } = process
    const usual: OsProcess = {
      osPid,
      parent: 1,
      group: osPid,
      session: osPid,
      start: `start-${osPid}`,
      isZombie: false,
      command: 'command',
      cpuMs: 0,
      residentBytes: 0,
      leash: null
    }
    this.#processes = [
      ...this.#processes.filter((other) => other.osPid !== osPid),
      { ...usual, ...process }
    ]
  }

  get osPids(): readonly number[] {
    return this.#processes.map((process) => process.osPid)
  }

  scan(): Promise<readonly OsProcess[]> {
    return Promise.resolve(this.#processes)
  }

  startOf(osPid: number): string | null {
    return this.#processes.find((process) => process.osPid === osPid)?.start ?? null
  }

  bootOf(): string {
    return this.boot
  }

  signal(osPid: number, name: NodeJS.Signals | 0): boolean {
    this.signals.push(`${name} ${osPid}`)
    if (name === 'SIGKILL') {
      this.#processes = this.#processes.filter((process) => process.osPid !== osPid)
    }
    return true
  }
}
