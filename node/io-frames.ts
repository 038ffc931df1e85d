import type { IoFrames } from '../scheduler/index.ts'
import { decodeIoFrame, encodeIoFrame } from './api/io-frame.ts'

/** The two I/O frames that the scheduler itself makes or reads; the others pass through it unread. */
export const ioFrames: IoFrames = {
  note: (text) => encodeIoFrame({ kind: 'note', text }),
  signalOf: (bytes) => {
    const frame = decodeIoFrame(bytes)
    return frame.kind === 'signal' ? frame.name : null
  }
}
