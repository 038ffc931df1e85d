import { WeaverError } from '../core/index.ts'

/** No tool has that name. */
export class ToolUnknownError extends WeaverError {
  constructor(name: string, known: readonly string[]) {
    super(
      'SANDBOX_TOOL_UNKNOWN',
      `Cannot find tool '${name.slice(0, 64)}': known here are ${known.join(', ') || 'none'}`,
      { detail: { name: name.slice(0, 64) } }
    )
  }
}

/** The bytes of a tool are not those that were installed. */
export class DigestMismatchError extends WeaverError {
  constructor(name: string, expected: string, actual: string) {
    super(
      'SANDBOX_DIGEST_MISMATCH',
      `Cannot run tool '${name}': its digest is ${actual}, and must be ${expected}`,
      { detail: { name, expected, actual } }
    )
  }
}

/** The list of tools, or a component it names, cannot be read. */
export class ManifestBrokenError extends WeaverError {
  constructor(what: string, cause: unknown) {
    super('SANDBOX_MANIFEST_BROKEN', `Cannot read ${what}`, { cause })
  }
}

/** A component asks for more of the world than it was granted. */
export class ImportRefusedError extends WeaverError {
  constructor(name: string, refused: readonly string[]) {
    super(
      'SANDBOX_IMPORT_REFUSED',
      `Cannot run tool '${name}': it imports ${refused.join(', ')}, which it was not granted`,
      { detail: { name, imports: refused.join(', ') } }
    )
  }
}

/** The bytes are no component, or none that follows the world `weft:tool/tool`. */
export class ComponentInvalidError extends WeaverError {
  constructor(name: string, why: string) {
    super('SANDBOX_COMPONENT_INVALID', `Cannot use '${name}' as a tool: ${why}`, {
      detail: { name }
    })
  }
}

/** The input of a call is no JSON text, or too large. */
export class InputInvalidError extends WeaverError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('SANDBOX_INPUT_INVALID', `Cannot call with this input: ${why}`, options)
  }
}

/** More calls wait already than is good. */
export class SandboxBusyError extends WeaverError {
  constructor(waiting: number) {
    super('SANDBOX_BUSY', `Cannot take another tool call: ${waiting} wait already`, {
      retry: 'later',
      detail: { waiting }
    })
  }
}

export class SandboxStoppedError extends WeaverError {
  constructor() {
    super('SANDBOX_STOPPED', 'Cannot call a tool: the sandbox has stopped', { retry: 'elsewhere' })
  }
}

/** A worker did not start, or did not answer to being loaded: our failure, not the guest's. */
export class WorkerFailedError extends WeaverError {
  constructor(why: string, options: { cause?: unknown } = {}) {
    super('SANDBOX_WORKER_FAILED', `Cannot start a tool worker: ${why}`, {
      retry: 'later',
      ...options
    })
  }
}

/** A worker process ended, or broke the protocol, while it was asked something. */
export class WorkerDiedError extends WeaverError {
  constructor(why: string) {
    super('SANDBOX_WORKER_DIED', `Lost the tool worker: ${why}`, { retry: 'later' })
  }
}

/** Translated files in the cache are not those that were stored. Dealt with in this room. */
export class CacheCorruptError extends WeaverError {
  constructor(file: string) {
    super('SANDBOX_CACHE_CORRUPT', `Cannot use translated file '${file}': its hash is wrong`, {
      detail: { file }
    })
  }
}
