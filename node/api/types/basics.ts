// What the control API says, as JSON: here the words that several subjects use. Ids, names and times are plain text and
// numbers: the caller may be any program. Times (`...At`, `time`, `lastSeen`) are milliseconds since 1970. `schemas/`
// checks and publishes the same shapes; the compiler holds the two together.

/** Any JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Every failed request's body is `{"error": ApiErrorBody}`. */
export interface ApiErrorBody {
  readonly code: string
  readonly message: string
  /** What to do next, one line; null when nobody can do anything. */
  readonly hint: string | null
}

export interface Gpu {
  readonly vendor: string
  readonly model: string
  readonly memoryBytes: number
  /** True when a person declared it by hand (`--gpu SPEC`), false when the vendor's tool named it. */
  readonly declared: boolean
}

export interface Resources {
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpus: readonly Gpu[]
}

export type Labels = Readonly<Record<string, string>>

/** How a process ended: one of the two is null. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}
