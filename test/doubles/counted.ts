import type { Streamed } from '../../node/service.ts'

/** Items 1 to `count`, resumable; when following it then stays open until it is left. */
export async function* counted<T>(
  options: {
    readonly after: string | null
    readonly follow: boolean
    readonly signal: AbortSignal
  },
  count: number,
  item: (n: number) => T
): AsyncGenerator<Streamed<T>, void, void> {
  for (let n = Number(options.after ?? 0) + 1; n <= count; n += 1) {
    if (options.signal.aborted) return
    yield { id: String(n), item: item(n) }
  }
  if (!options.follow || options.signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  options.signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
}
