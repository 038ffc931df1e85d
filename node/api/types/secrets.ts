// Secrets in the control API.

/** The name of a secret, and when it was last set. There is no operation that gives out its value. */
export interface SecretRow {
  readonly name: string
  readonly setAt: number
}

export interface SecretValue {
  readonly base64: string
}
