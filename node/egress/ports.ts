import type { Cbor } from '../../core/index.ts'

/** Records in this node's lane. Durable once resolved; a rejection refuses the connection. */
export interface EgressLedger {
  record(
    drafts: readonly {
      readonly kind: string
      readonly actor: string
      readonly subject: string
      readonly payload: Cbor
    }[]
  ): Promise<unknown>
}

/** The addresses of a name, as this machine resolves it. Rejects where there is none. */
export type Resolve = (host: string) => Promise<readonly string[]>

/** Looks for secrets in one stream, for each a new one. */
export type Watch = () => Watcher

export interface Watcher {
  /** What may go out now. Holds back what may yet turn out to be a secret. */
  push(bytes: Uint8Array): Uint8Array
  /** What was held back, at the end of the stream. */
  end(): Uint8Array
  /** Whether there was one so far. */
  readonly hasFound: boolean
}
