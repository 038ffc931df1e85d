import { constants } from 'node:os'
import { kill } from 'node:process'
import { UnknownSignalError } from './errors.ts'

/** Sends a signal; a negative number is a group, `0` only asks. False when nobody was there. */
export function sendSignal(osPid: number, name: NodeJS.Signals | 0): boolean {
  try {
    kill(osPid, name)
    return true
  } catch {
    return false // ESRCH: all gone. EPERM: another user's (a setuid program): not ours to end.
  }
}

/**
 * `SIGTERM` of `SIGTERM` or `TERM`.
 * @throws WeaverError `PROCESS_UNKNOWN_SIGNAL`
 */
export function signalName(text: string): NodeJS.Signals {
  const name = text.startsWith('SIG') ? text : `SIG${text}`
  if (!isSignal(name)) throw new UnknownSignalError(text)
  return name
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}
