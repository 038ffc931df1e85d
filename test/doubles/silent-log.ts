import type { Logger } from '../../core/index.ts'

/** A log that nobody reads. */
export const silentLog: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog
}
