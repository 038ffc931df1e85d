import { WeaverError } from '../../core/index.ts'

/** A capability token that cannot be made, or cannot be worked with. */
export class CapabilityError extends WeaverError {
  constructor(why: string, cause?: unknown) {
    super('GOVERNANCE_CAPABILITY_INVALID', `Cannot use the capability: ${why}`, {
      retry: 'never',
      ...(cause === undefined ? {} : { cause })
    })
  }
}
