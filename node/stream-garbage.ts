// Keeps the kernel small while large streams pass through it.
//
// Every hop of a stream makes a few short-lived buffers. They are outside of V8's heap, and V8 looks for
// dead ones only when about 64 MB of them have come together. A young collection after every few megabytes
// of stream costs a millisecond and frees most of them at once; the few that were in flight at two of
// these in a row have become old, and go with a full one when enough of them have come together (garbage-guard.ts).

import type { FrameChannel } from '../core/index.ts'
import { collector } from './collector.ts'

/** Bytes of stream between two young collections: with six buffers for each byte, 12 MB of garbage. */
const YOUNG_BYTES: number = 2 * 1024 * 1024
/** Of a lane between two: with four buffers for each byte, 16 MB of garbage. */
const LANE_YOUNG_BYTES: number = 4 * 1024 * 1024

/** Told of bytes that pass through. */
export type StreamMeter = (bytes: number) => void

/** One for the whole process, for the frames of tasks and what peers send. */
export function garbageMeter(): StreamMeter {
  return every(YOUNG_BYTES, collector('young'))
}

/** The same for lanes, which make less of it. */
export function laneGarbageMeter(): StreamMeter {
  return every(LANE_YOUNG_BYTES, collector('young'))
}

function every(step: number, act: () => void): StreamMeter {
  let bytes = 0
  return (more) => {
    bytes += more
    if (bytes < step) return
    bytes = 0
    act()
  }
}

/** The same channel, with every frame counted, both ways. */
export function metered(channel: FrameChannel, meter: StreamMeter): FrameChannel {
  return {
    send: (frame) => {
      meter(frame.length)
      return channel.send(frame)
    },
    frames: counted(channel.frames, meter),
    end: () => channel.end(),
    abort: (reason) => channel.abort(reason),
    closed: channel.closed
  }
}

async function* counted(
  frames: AsyncIterable<Uint8Array>,
  meter: StreamMeter
): AsyncGenerator<Uint8Array, void, void> {
  for await (const frame of frames) {
    meter(frame.length)
    yield frame
  }
}
