import { WeaverError } from '../../core/index.ts'
import { SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRETS_MAX } from './limits.ts'

export class InvalidSecretNameError extends WeaverError {
  constructor(name: string) {
    super(
      'GOVERNANCE_INVALID_SECRET_NAME',
      `Cannot use '${name.slice(0, 64)}' as the name of a secret: write letters, digits and _, beginning ` +
        'with a letter, 64 at most',
      { retry: 'never' }
    )
  }
}

export class InvalidSecretError extends WeaverError {
  constructor(bytes: number) {
    super(
      'GOVERNANCE_INVALID_SECRET',
      `Cannot keep a secret of ${bytes} bytes: it must have ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX}, ` +
        'because a shorter one could not be told from ordinary text',
      { retry: 'never' }
    )
  }
}

export class TooManySecretsError extends WeaverError {
  constructor() {
    super('GOVERNANCE_TOO_MANY_SECRETS', `Cannot keep more than ${SECRETS_MAX} secrets`, {
      retry: 'never',
      detail: { hint: 'remove one: weaver secrets list, weaver secrets remove NAME' }
    })
  }
}

export class SecretNotFoundError extends WeaverError {
  constructor(name: string) {
    super('GOVERNANCE_SECRET_NOT_FOUND', `There is no secret '${name}' in this home`, {
      retry: 'never',
      detail: { hint: `set it: weaver secrets set ${name}` }
    })
  }
}

/** The file of the secrets, or its key, is not what it was. Nothing is overwritten. */
export class VaultDamagedError extends WeaverError {
  constructor(why: string) {
    super('GOVERNANCE_VAULT_DAMAGED', `Cannot open the secrets of this home: ${why}`, {
      retry: 'never',
      detail: {
        hint: 'restore secrets.key and secrets.sealed from a backup, or remove both and set the secrets anew'
      }
    })
  }
}
