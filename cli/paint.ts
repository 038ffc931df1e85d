export type Colour = 'red' | 'green' | 'yellow' | 'dim'

const CODES: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, dim: 2 }

const isPainted =
  process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'

/** Colour on a terminal, and never under NO_COLOR. */
export function paint(text: string, colour: Colour | null): string {
  return isPainted && colour !== null ? `\u001B[${CODES[colour]}m${text}\u001B[0m` : text
}

const STATES: Readonly<Record<string, Colour>> = {
  running: 'green',
  alive: 'green',
  ok: 'green',
  succeeded: 'green',
  self: 'green',
  starting: 'yellow',
  stopping: 'yellow',
  suspended: 'yellow',
  suspect: 'yellow',
  queued: 'yellow',
  offered: 'yellow',
  behind: 'yellow',
  failed: 'red',
  lost: 'red',
  dead: 'red',
  forked: 'red',
  truncated: 'red',
  'timed-out': 'red',
  exited: 'dim',
  left: 'dim',
  cancelled: 'dim'
}

export function stateColour(state: string): Colour | null {
  return STATES[state] ?? null
}
