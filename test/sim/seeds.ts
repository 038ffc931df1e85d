/**
 * Seeds that found a bug, each with what was wrong: they run before all others, for good.
 * A seed names a run only as long as the simulator draws from it in the same order.
 */
const KEPT_SEEDS: Readonly<Record<string, readonly { seed: number; found: string }[]>> = {
  mesh: [
    { seed: 2, found: 'a crash right after a join left a member that knew no address, for good' }
  ],
  kernel: [
    {
      seed: 3,
      found: 'one failed write to the lane of a peer, and no block of it was taken again'
    },
    { seed: 5, found: 'a stored result was committed that the lane of its executor did not know' },
    { seed: 9, found: 'a disk that was full for a second left tasks running for good' }
  ]
}

/**
 * The seeds that a spec runs: `SEED=n` that one alone, `SEEDS=n` the first n, else the first `count`.
 * The kept ones come first.
 */
export function seedsOf(spec: string, count: number): readonly number[] {
  const { SEED, SEEDS } = process.env
  if (SEED !== undefined) return [natural('SEED', SEED)]
  const kept = (KEPT_SEEDS[spec] ?? []).map(({ seed }) => seed)
  const drawn = Array.from(
    { length: SEEDS === undefined ? count : natural('SEEDS', SEEDS) },
    (_, index) => index + 1
  )
  return [...new Set([...kept, ...drawn])]
}

function natural(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name}=${text} is no number`)
  return value
}
