import { WeaverError } from '../core/index.ts'
import { AGENTS_MAX, COMMAND_ARGUMENTS_MAX, COMMAND_BYTES_MAX } from './limits.ts'

/** Another agent of this node has that name and has not ended. */
export class AgentNameTakenError extends WeaverError {
  constructor(name: string) {
    super('AGENTS_NAME_TAKEN', `Cannot spawn agent '${name}': an agent of that name is running`, {
      detail: { name, hint: `weaver agent stop ${name}` }
    })
  }
}

export class AgentNotFoundError extends WeaverError {
  constructor(reference: string) {
    super('AGENTS_NOT_FOUND', `Cannot find agent '${reference}' on this node`, {
      detail: { reference, hint: 'weaver agent list' }
    })
  }
}

export class UnknownRuntimeError extends WeaverError {
  constructor(runtime: string, known: readonly string[]) {
    super(
      'AGENTS_UNKNOWN_RUNTIME',
      `Cannot use runtime '${runtime.slice(0, 64)}': use one of ${known.join(', ')}`,
      { detail: { runtime: runtime.slice(0, 64), hint: 'weaver agent runtimes' } }
    )
  }
}

export class InvalidAgentCommandError extends WeaverError {
  constructor(name: string, why: string) {
    super('AGENTS_INVALID_COMMAND', `Cannot spawn agent '${name}': ${why}`, {
      detail: { name, argumentsMax: COMMAND_ARGUMENTS_MAX, bytesMax: COMMAND_BYTES_MAX }
    })
  }
}

/** Pushback: the node runs as many agents as it may. */
export class TooManyAgentsError extends WeaverError {
  constructor(name: string) {
    super('AGENTS_TOO_MANY', `Cannot spawn agent '${name}': ${AGENTS_MAX} agents run already`, {
      retry: 'elsewhere',
      detail: { name, max: AGENTS_MAX }
    })
  }
}

/** The GPUs that it asks for are held by others. */
export class NoGpuError extends WeaverError {
  constructor(name: string, request: string, why: string) {
    super('AGENTS_NO_GPU', `Cannot start agent '${name}' with GPUs '${request}': ${why}`, {
      retry: 'later',
      detail: { name, request, hint: 'weaver kernel ps shows who holds them' }
    })
  }
}

/** The kernel has not yet taken up the agents of the one before. */
export class AgentsStartingError extends WeaverError {
  constructor(name: string) {
    super('AGENTS_STARTING', `Cannot spawn agent '${name}': this kernel is starting`, {
      retry: 'later',
      detail: { name }
    })
  }
}

/** The kernel is going down and starts nothing. */
export class AgentsStoppedError extends WeaverError {
  constructor(name: string) {
    super('AGENTS_STOPPED', `Cannot start agent '${name}': this kernel is stopping`, {
      retry: 'elsewhere',
      detail: { name }
    })
  }
}
