// The second process of a bench: bench/kernel-peer-main.ts, spoken to by messages.

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../kernel-peer-main.ts', import.meta.url))

/** What the second process says; times are of the monotonic clock that all processes share. */
export type PeerMessage =
  | { readonly kind: 'ready'; readonly nodeId: string }
  | { readonly kind: 'row'; readonly value: number; readonly atNs: string }

export interface PeerProcess {
  readonly nodeId: string
  readonly onMessage: (listener: (message: PeerMessage) => void) => void
  readonly stop: () => Promise<void>
}

export async function startPeer(role: 'mesh' | 'bullmq', argument: string): Promise<PeerProcess> {
  const child = fork(main, [role, argument], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  const nodeId = await ready(child)
  return {
    nodeId,
    onMessage: (listener) => void child.on('message', listener),
    stop: async () => {
      child.send('stop')
      await ended
    }
  }
}

function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the second process ended with ${code}`)))
    child.once('message', (message: PeerMessage) => {
      resolve(message.kind === 'ready' ? message.nodeId : '')
    })
  })
}
