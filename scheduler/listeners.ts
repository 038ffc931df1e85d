/** Listeners of one kind of event, called in the order in which they were added. */
export class Listeners<Event> {
  readonly #listeners = new Set<(event: Event) => void>()

  /** Returns what removes it again. */
  add(listener: (event: Event) => void): () => void {
    // Wrapped, so that one function added twice is two listeners.
    const own = (event: Event): void => listener(event)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  emit(event: Event): void {
    for (const listener of this.#listeners) listener(event)
  }
}
