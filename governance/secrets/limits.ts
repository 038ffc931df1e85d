// Every bound of the secrets.

/** Shorter values cannot be told from ordinary text, and so could not be kept out of it. */
export const SECRET_BYTES_MIN = 8
/** A key file with its chain; the environment of a process takes 128 KiB in one variable. */
export const SECRET_BYTES_MAX: number = 64 * 1024
export const SECRETS_MAX = 256
/** Up to this a secret is looked for in every spelling that is known, a longer one in the commonest: 1 KB takes 2 MB, 64 KiB then 50 MB. */
export const EVERY_SPELLING_BYTES_MAX = 1024
/** A line of a secret that is by itself worth hiding. */
export const LINE_REDACTED_BYTES_MIN = 16
