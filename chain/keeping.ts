// How much of a lane a node keeps.

/**
 * `headers`: blocks without their payloads, save those that later blocks are judged by. `filling`: whole, but payloads
 * of older blocks have not been fetched yet. `none`: nothing, and nothing is taken.
 */
export type Keeping = 'whole' | 'filling' | 'headers' | 'none'

/** Whether payloads of the lane may be absent here for no other reason than this node's own wish. */
export function lacksPayloads(keeping: Keeping): boolean {
  return keeping === 'headers' || keeping === 'filling'
}
