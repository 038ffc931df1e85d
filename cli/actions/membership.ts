import { SIGNATURES_MAX } from '../../node/api/index.ts'
import type { MembershipAct, PendingChange } from '../../node/api/index.ts'
import { wholeNumber } from '../args.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import type { Column } from '../output.ts'

export const evict: Runner = async ({ client, output }, args) => {
  const node = args.words[0] ?? ''
  await output.document(await client.evictNode(node), actText(`${node} is out`))
  return EXIT.done
}

export const role: Runner = async ({ client, output }, args) => {
  const [node = '', wanted] = args.words
  if (wanted !== 'admin' && wanted !== 'member') {
    throw usageError(`mesh role does not know '${wanted ?? ''}': use admin or member`)
  }
  const act = await client.setNodeRole(node, wanted)
  await output.document(act, actText(`${node} is ${wanted === 'admin' ? 'an admin' : 'a member'}`))
  return EXIT.done
}

export const signatures: Runner = async ({ client, output }, args) => {
  const count = wholeNumber('mesh signatures', args.words[0] ?? '', [1, SIGNATURES_MAX])
  const act = await client.setSignatures(count)
  await output.document(act, actText(`${count} admins must sign from now on`))
  return EXIT.done
}

export const pending: Runner = async ({ client, output }) => {
  await output.rows(await client.pendingChanges(), COLUMNS, 'nothing waits for signatures')
  return EXIT.done
}

export const approve: Runner = async ({ client, output }, args) => {
  const approved = await client.approveChanges(args.words[0] ?? null)
  await output.rows(approved, COLUMNS, 'nothing waits for a signature of this node')
  return EXIT.done
}

export const leave: Runner = async ({ client, output }, args) => {
  const act = await client.leaveMesh(args.flag('force'))
  await output.document(act, actText('this node has left, and is in a mesh of its own'))
  return EXIT.done
}

function actText(done: string): (act: MembershipAct) => string {
  return ({ statement, inForce, signers, needed, confirmed, outstanding }) => {
    if (statement === null) return `${done} already`
    if (!inForce) {
      return (
        `signed by ${signers.join(', ')}: ${needed - signers.length} more of the admins must run ` +
        `'weaver mesh approve ${statement.slice(0, 8)}'`
      )
    }
    const heard = confirmed.length === 0 ? [] : [`confirmed by ${confirmed.join(', ')}`]
    const later =
      outstanding.length === 0 ? [] : [`${outstanding.join(', ')} will be told when reachable`]
    return [done, ...heard, ...later].join('; ')
  }
}

const COLUMNS: readonly Column<PendingChange>[] = [
  { title: 'STATEMENT', text: ({ statement }) => statement.slice(0, 8) },
  { title: 'WHAT', text: ({ what }) => what },
  { title: 'SIGNED BY', text: ({ signers }) => signers.join(', ') },
  { title: 'NEEDED', text: ({ needed }) => String(needed), isRight: true }
]
