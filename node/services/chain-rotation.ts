// Asking for another key. What the running kernel does is to decide, to record, and to prepare the key; the
// next start hands over to it (key-rotation.ts), when nothing else happens on this node.

import { WeaverError } from '../../core/index.ts'
import type { KeyRotation } from '../api/index.ts'
import type { Rooms } from '../rooms.ts'

/** @throws WeaverError `NODE_ROTATION_BUSY`, `NODE_ROTATION_ALONE`, `GOVERNANCE_DENIED` */
export async function rotateKey(rooms: Rooms): Promise<KeyRotation> {
  const { gate, self, prepareKey } = rooms
  refuseBusy(rooms)
  refuseAlone(rooms)
  const resource = `node:${self}`
  await gate.authorizeWith(
    { principal: { kind: 'owner' }, action: 'chain.rotate', resource, context: {} },
    [{ kind: 'key.rotation-asked', actor: 'user:local', subject: resource, payload: null }]
  )
  const next = prepareKey()
  // From here the change is asked for durably: every start tries to carry it out.
  return { from: self, to: next.nodeId }
}

/** Other nodes know this one's tasks by its key: they must have ended before it has another. */
function refuseBusy({ origin, executor }: Rooms): void {
  const open = origin.list().filter(({ state }) => {
    return state === 'queued' || state === 'offered' || state === 'running'
  })
  const running = executor.load().runningTasks
  if (open.length === 0 && running === 0) return
  const named = open.slice(0, 3).map(({ taskId }) => taskId)
  const which = named.length === 0 ? '' : ` (${named.join(', ')}${open.length > 3 ? ', ...' : ''})`
  const hint = `wait for them, or cancel them: weaver task list${which}`
  throw new WeaverError(
    'NODE_ROTATION_BUSY',
    `Cannot change the key of this node: ${open.length} of its tasks are not done, and it runs ` +
      `${running}`,
    { retry: 'later', detail: { hint } }
  )
}

/** Somebody must hear of the new key from the old one, or nobody would let it in. */
function refuseAlone({ mesh }: Rooms): void {
  const { members, connected } = mesh.status()
  if (members < 2 || connected > 0) return
  throw new WeaverError(
    'NODE_ROTATION_ALONE',
    'Cannot change the key of this node: none of the other members is connected, and they would not ' +
      'know the new key',
    { retry: 'later', detail: { hint: 'weaver mesh peers shows who is there' } }
  )
}
