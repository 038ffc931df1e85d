// Where everything of one node lies. Folders are 0700, files 0600.

import { join } from 'node:path'

/** The format of a home. Raised when an older weaver could no longer read what a newer one wrote. */
export const HOME_FORMAT = 2
/** From this format on the store has a sum over all that it holds; an older weaver would not keep it up. */
export const SUMMED_FORMAT = 2

// sockaddr_un holds 104 bytes on macOS and 108 on Linux, one of them the final NUL.
export const SOCKET_PATH_BYTES_MAX = 103

export interface HomePaths {
  readonly home: string
  /** The number of the home's format. Written last: what has it is complete. */
  readonly version: string
  /** The seed of the node's key: 64 hexadecimal digits. */
  readonly identityKey: string
  /** The seed of the key that is to take the place of `identityKey`; only while a change of key is under way. */
  readonly nextKey: string
  readonly config: string
  /** The policies of this home: `*.cedar`. */
  readonly policy: string
  /** The secrets, and the key that opens them; absent before the first secret. */
  readonly secrets: string
  readonly secretsKey: string
  /** What lives no longer than a kernel. */
  readonly run: string
  readonly socket: string
  readonly httpToken: string
  readonly kernelFile: string
  /** LevelDB; whoever has it open owns the home. */
  readonly store: string
  /** The number of the last write to the store, a little later. */
  readonly storeHead: string
  readonly chain: string
  readonly blobs: string
  readonly logs: string
  /** What processes wrote while nobody was attached. */
  readonly spool: string
  /** Where processes run unless told otherwise. */
  readonly work: string
  /** Compiled tools. */
  readonly tools: string
}

export function homePaths(home: string): HomePaths {
  const run = join(home, 'run')
  return {
    home,
    version: join(home, 'version'),
    identityKey: join(home, 'identity.key'),
    nextKey: join(home, 'identity.next'),
    config: join(home, 'config.json'),
    policy: join(home, 'policy'),
    secrets: join(home, 'secrets.sealed'),
    secretsKey: join(home, 'secrets.key'),
    run,
    socket: join(run, 'kernel.sock'),
    httpToken: join(run, 'http-token'),
    kernelFile: join(run, 'kernel.json'),
    store: join(home, 'store'),
    storeHead: join(home, 'store.head'),
    chain: join(home, 'chain'),
    blobs: join(home, 'blobs'),
    logs: join(home, 'logs'),
    spool: join(home, 'spool'),
    work: join(home, 'work'),
    tools: join(home, 'tools')
  }
}
