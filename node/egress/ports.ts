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
