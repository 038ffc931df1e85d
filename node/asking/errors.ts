import { WeaverError } from '../../core/index.ts'
import { CHILDREN_MAX } from './limits.ts'

export class TooManyChildrenError extends WeaverError {
  constructor(pid: number) {
    super(
      'PROCESS_TOO_MANY_CHILDREN',
      `Cannot start more for process ${pid}: ${CHILDREN_MAX} of what it started has not ended`,
      { retry: 'later', detail: { hint: 'wait for one of them to end, or stop it' } }
    )
  }
}

export class LimitExceededError extends WeaverError {
  constructor(name: string, own: number) {
    super(
      'PROCESS_LIMIT_EXCEEDED',
      `Cannot give more of ${name} than the process has that asks: it has ${own}`,
      { retry: 'never', detail: { hint: 'ask for less, or name no limit: its own then holds' } }
    )
  }
}

export class OwnNodeOnlyError extends WeaverError {
  constructor(what: string, hint: string) {
    super('PROCESS_OWN_NODE_ONLY', `Cannot ${what} on another node for a process`, {
      retry: 'never',
      detail: { hint }
    })
  }
}

export class ProcessEndedError extends WeaverError {
  constructor(pid: number) {
    super('PROCESS_ENDED', `Cannot do this for process ${pid}: it has ended`, {
      retry: 'never'
    })
  }
}
