// How often somebody may do a thing: so many at once, and so many more each second. Pure.

export interface Budget {
  readonly left: number
  /** Milliseconds on the monotonic clock. */
  readonly at: number
}

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export function fullBudget({ burst }: Rate, now: number): Budget {
  return { left: burst, at: now }
}

/** What is left after one more; null where there is none left. */
export function spend(budget: Budget, rate: Rate, now: number): Budget | null {
  const refilled = refill(budget, rate, now)
  return refilled.left < 1 ? null : { ...refilled, left: refilled.left - 1 }
}

export function isSpent(budget: Budget, rate: Rate, now: number): boolean {
  return refill(budget, rate, now).left < 1
}

function refill({ left, at }: Budget, { burst, perSecond }: Rate, now: number): Budget {
  const gained = (Math.max(0, now - at) / 1000) * perSecond
  return { left: Math.min(burst, left + gained), at: Math.max(at, now) }
}
