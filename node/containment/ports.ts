// What starts a process says it wants, and what a containment answers. The back-ends are bubblewrap (Linux),
// sandbox-exec (macOS), and podman where a user named an image; node/processes/host.ts carries the plan out.

import type { Grant, Limits, Pid } from '../../core/index.ts'

/** A path of this machine: read-only, or, where it is writable, not to be moved. */
export interface Guard {
  readonly path: string
  readonly isWritable: boolean
}

/** A GPU that the process was given. */
export interface DevicePlace {
  readonly vendor: string
  readonly vendorIndex: number
}

export interface LaunchWish {
  readonly pid: Pid
  readonly command: readonly [string, ...string[]]
  /** What the kernel hands on of its own environment; where it names places the containment has its own. */
  readonly environment: Readonly<Record<string, string>>
  /** What the requester set, over that. */
  readonly given: Readonly<Record<string, string>>
  /** The variable by which a stray process is known to this kernel. */
  readonly mark: readonly [name: string, value: string]
  /** On this machine: absolute, there. */
  readonly directory: string
  /** The kernel made `directory` for this process alone: it is writable, and seen inside as /task. */
  readonly isOwnDirectory: boolean
  readonly grants: readonly Grant[]
  /** Of the folders that `grants` let be written: what stays closed, or in its place. */
  readonly guards: readonly Guard[]
  readonly limits: Limits
  readonly gpus: readonly DevicePlace[]
  /** On which it may ask its kernel, seen inside as /run/weaver/kernel.sock; null: it may not. */
  readonly kernelSocket: string | null
  /** Finds the secrets that it is given, in what it sends; null: it is given none. */
  readonly watch: (() => Watcher) | null
  /** A shell waits to be told what to become: where that is enough, the plan is what it is told. */
  readonly isWaitedFor: boolean
  readonly hasInput: boolean
}

/** Looks for secrets in one stream. */
export interface Watcher {
  /** What may go out now. Holds back what may yet turn out to be a secret. */
  push(bytes: Uint8Array): Uint8Array
  /** What was held back, at the end of the stream. */
  end(): Uint8Array
  /** Whether there was one so far. */
  readonly hasFound: boolean
}

/** For a shell that waits. */
export interface ToldPlan {
  readonly told: Uint8Array
}

/** A shell that waits to be told what to become, on descriptor 3; `descriptors` follow it. */
export type WaitingPlan = LaunchPlan

/** How to start a process so that it is confined. */
export interface LaunchPlan {
  readonly command: readonly [string, ...string[]]
  /** Of the program that confines, not of the process inside. */
  readonly environment: Readonly<Record<string, string>>
  readonly directory: string
  /** Open files of ours that become descriptors 3, 4, ... of the child. */
  readonly descriptors: readonly number[]
  /** What keeps and limits it beside its namespaces; null: nothing does. */
  readonly group: ControlGroup | null
  /** Where it runs in one: what was started is then only its client. */
  readonly container?: Container
  /** Closes `descriptors`. To be called once the child runs, or does not. */
  release(): void
}

/** One control group of the operating system, around one process and all that it starts. */
export interface ControlGroup {
  /** Ends all that is in it at once, also what forks meanwhile. */
  kill(): void
  /** To be called when its process has ended: kills what is left, and removes it. Never rejects. */
  remove(): Promise<void>
}

/** What runs beside the process that started it, and must be ended by name. */
export interface Container {
  readonly name: string
  /** The command in it; null before it runs. */
  inside(): number | null
  /** Ends and removes it, and resolves when nothing of it lives. Never rejects; may be called for one that is gone. */
  end(): Promise<void>
}

/** One way of this machine to confine processes. Nothing is durable, nothing is retried; calls may overlap. */
export interface Containment {
  /** `bubblewrap`, `sandbox-exec` or `podman`. */
  readonly name: string
  /**
   * Plans, and opens what the plan needs. Starts nothing.
   * @throws WeaverError `CONTAINMENT_GRANT_REFUSED`, `CONTAINMENT_LIMIT_MISSING`, `PROCESS_NOT_FOUND`,
   *   `PROCESS_NOT_EXECUTABLE`, `PROCESS_BAD_DIRECTORY`, `NODE_EGRESS_MISSING`
   */
  plan(wish: LaunchWish): Promise<LaunchPlan | ToldPlan>
  /** Null where it has no such thing. */
  waiting(): WaitingPlan | null
  /** The process that was asked for, below the one that confines it; null before it runs. */
  inside(osPid: number): number | null
}

/**
 * The way out of a contained process: a socket of the kernel's egress proxy for its `net:` grants. Without one, a wish
 * with such grants is refused.
 */
export interface Egress {
  /** Must be there inside: it starts before the command, and lets ordinary programs find the socket. */
  readonly program: string
  /**
   * The path of a Unix socket that listens, and will be seen inside as /run/weaver/egress.sock.
   * @throws WeaverError `NODE_EGRESS_MISSING` (elsewhere)
   */
  open(pid: Pid, grants: readonly Grant[], watch: (() => Watcher) | null): Promise<string>
  /** To be called when the process has ended, or did not start. Never rejects; may be called for any process. */
  close(pid: Pid): Promise<void>
  /** The command with `program` before it. */
  entering(socket: string, command: readonly [string, ...string[]]): readonly [string, ...string[]]
  /** What programs inside read to find it. */
  variables(grants: readonly Grant[]): Readonly<Record<string, string>>
}
