// The real clock, the real dice and real entropy. Everything impure about time and chance is here.

import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delayFor } from 'node:timers/promises'
import type { Clock } from './clock.ts'
import type { Entropy } from './entropy.ts'
import { millis, unixMillis } from './ids.ts'
import type { Prng } from './prng.ts'

/** Of one timer, 24.8 days: for more than fits into 32 bits Node waits a millisecond. */
const TIMER_MAX_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => millis(performance.now()),
  wall: () => unixMillis(Date.now()),
  sleep: async (delay, signal) => {
    const options = signal === undefined ? {} : { signal }
    try {
      let left: number = delay
      for (; left > TIMER_MAX_MS; left -= TIMER_MAX_MS) {
        await delayFor(TIMER_MAX_MS, undefined, options)
      }
      await delayFor(left, undefined, options)
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error
    }
  }
}

export const systemPrng: Prng = {
  below: (bound) => randomInt(bound)
}

export const systemEntropy: Entropy = {
  bytes: (size) => new Uint8Array(randomBytes(size))
}
