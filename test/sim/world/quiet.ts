/**
 * Resolves when all that could go on without time moving has gone on.
 *
 * Nothing under simulation waits for a timer, a socket, a file or a thread, so what is left to do is in
 * the queue of microtasks, and that queue is empty when the event loop turns. The second turn is for what
 * Node itself puts off to the next one, like the report of an unhandled rejection.
 */
export async function untilQuiet(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}
