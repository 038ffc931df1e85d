// The real clock, the real dice and real entropy. Everything impure about time and chance is here.

import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as delayFor } from 'node:timers/promises'
import type { Clock } from './clock.ts'
import type { Entropy } from './entropy.ts'
import { millis, unixMillis } from './ids.ts'
import type { Prng } from './prng.ts'

export const systemClock: Clock = {
  now: () => millis(performance.now()),
  wall: () => unixMillis(Date.now()),
  sleep: async (delay, signal) => {
    try {
      await delayFor(delay, undefined, signal === undefined ? {} : { signal })
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
