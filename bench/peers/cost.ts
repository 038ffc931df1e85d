// What a process costs for a while: the most memory it has had, and its processor time.

const LOOK_MS = 20

export interface Cost {
  /** The most resident bytes. */
  readonly peakBytes: number
  readonly restBytes: number
  readonly cpuMs: number
}

/** @returns a function that says what it cost since it was asked last, and begins anew */
export function costMeter(): () => Cost {
  const rss = (): number => process.memoryUsage.rss()
  let [peakBytes, restBytes, cpu] = [rss(), rss(), process.cpuUsage()]
  const look = (): void => {
    peakBytes = Math.max(peakBytes, rss())
  }
  setInterval(look, LOOK_MS).unref()
  return () => {
    look()
    const { user, system } = process.cpuUsage(cpu)
    const cost = { peakBytes, restBytes, cpuMs: (user + system) / 1000 }
    peakBytes = restBytes = rss()
    cpu = process.cpuUsage()
    return cost
  }
}
