import type { Streamed } from './service.ts'

/**
 * A live stream with a bounded memory of its newest items, for any number of readers. A reader that
 * falls behind loses the oldest items, never the kernel's memory. Ids start with the feed's own name,
 * so that an id of an earlier kernel is not mistaken for one of this.
 */
export class Feed<T> {
  readonly #name: string
  readonly #itemsMax: number
  #items: T[] = []
  #firstSequence = 1
  #published = Promise.withResolvers<void>()
  #isClosed = false

  constructor(name: string, itemsMax: number) {
    this.#name = name
    this.#itemsMax = itemsMax
  }

  publish(item: T): void {
    if (this.#isClosed) return
    this.#items.push(item)
    if (this.#items.length > this.#itemsMax) {
      this.#items.shift()
      this.#firstSequence += 1
    }
    this.#wake()
  }

  /** The id of the newest item: a stream after it has only what is yet to come. */
  get lastId(): string {
    return `${this.#name}.${this.#firstSequence + this.#items.length - 1}`
  }

  /** Ends every stream after its last item. */
  close(): void {
    this.#isClosed = true
    this.#wake()
  }

  /** The items after the one called `after` (null: only those yet to come), until `signal` aborts. */
  async *stream(
    after: string | null,
    signal: AbortSignal
  ): AsyncGenerator<Streamed<T>, void, void> {
    let next = this.#sequenceAfter(after)
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      while (!signal.aborted) {
        next = Math.max(next, this.#firstSequence)
        const item = this.#items[next - this.#firstSequence]
        if (item !== undefined) {
          yield { id: `${this.#name}.${next}`, item }
          next += 1
        } else if (this.#isClosed) {
          return
        } else {
          await Promise.race([this.#published.promise, aborted.promise])
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #sequenceAfter(after: string | null): number {
    const end = this.#firstSequence + this.#items.length
    if (after === null) return end
    const [name, sequence] = after.split('.')
    const known = Number(sequence)
    return name === this.#name && Number.isSafeInteger(known) && known < end
      ? known + 1
      : this.#firstSequence
  }

  #wake(): void {
    this.#published.resolve()
    this.#published = Promise.withResolvers<void>()
  }
}
