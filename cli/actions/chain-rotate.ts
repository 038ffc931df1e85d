// A new key for this node: asked for now, carried out by a restart.

import type { Runner } from '../command.ts'
import { startDaemon } from '../daemon.ts'
import { CliError, EXIT } from '../errors.ts'
import { stopKernel } from './kernel-stop.ts'

const STOP_TIMEOUT_MS = 60_000

export const rotate: Runner = async (context) => {
  const { client, output, home } = context
  const { from, to } = await client.rotateKey()
  output.note('weaver: restarting the kernel; it hands over to the new key first ...')
  await stopKernel(context, STOP_TIMEOUT_MS)
  const daemon = startDaemon({ home, flags: [], invite: null, isForeground: false })
  try {
    const { nodeId } = await daemon.ready
    if (nodeId !== to) {
      throw new CliError(
        'CLI_ROTATION_WAITS',
        'The kernel goes on under its old key: no other member could be reached to be told of the new one',
        'it tries again at each start: weaver kernel restart'
      )
    }
  } finally {
    daemon.child.unref()
  }
  await output.document(
    { from, to },
    () => `this node has another key\n  before  ${from}\n  now     ${to}`
  )
  return EXIT.done
}
