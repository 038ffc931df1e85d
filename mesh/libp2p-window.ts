// The windows of yamux, told less often.

import type { Stream } from '@libp2p/interface'

/** StreamState.Established of yamux: nothing but room is left to tell. */
const ESTABLISHED = 3

/** What we know of a stream of yamux beyond its interface. */
interface Windowed {
  readonly state: number
  /** What the peer may have on the way when nothing is. */
  readonly recvWindow: number
  /** What it still may send. */
  readonly recvWindowCapacity: number
  sendWindowUpdate(): void
}

/**
 * Yamux for JavaScript answers each frame of data with an update of the window: a message more for each, to be
 * encrypted, written, read and opened. As with yamux elsewhere it is told here when half of it is used, so
 * the peer always has the other half. Leaves a stream alone that is not as we know it.
 */
export function tellLess(stream: Stream): void {
  if (!isWindowed(stream)) return
  const tell = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    const isHalfUsed = stream.recvWindowCapacity <= stream.recvWindow / 2
    if (isHalfUsed || stream.state !== ESTABLISHED) tell()
  }
}

function isWindowed(stream: object): stream is Windowed {
  return (
    'sendWindowUpdate' in stream &&
    typeof stream.sendWindowUpdate === 'function' &&
    'recvWindow' in stream &&
    typeof stream.recvWindow === 'number' &&
    'recvWindowCapacity' in stream &&
    typeof stream.recvWindowCapacity === 'number' &&
    'state' in stream &&
    typeof stream.state === 'number'
  )
}
