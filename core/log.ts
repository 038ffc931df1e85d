/** Values a log line may carry beside its message. Secrets are never among them. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null>>

/** Structured logging. A room logs what an operator needs at night, and nothing on a healthy hot path. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** The same log, with `room` and other fields on every line. */
  child(fields: LogFields): Logger
}
