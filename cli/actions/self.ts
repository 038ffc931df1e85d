import type { SelfView } from '../../node/api/index.ts'
import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'
import { pairs } from '../output.ts'
import { orNothing } from '../quantity.ts'

export const self: Runner = async ({ client, output }) => {
  if (!process.env['WEAVER_SOCKET']) {
    throw usageError(
      'This is no process that may ask its kernel',
      'start it with a grant that needs it: weaver run --grant tool:NAME -- weaver self'
    )
  }
  await output.document(await client.self(), selfText)
  return EXIT.done
}

function selfText(it: SelfView): string {
  return pairs([
    ['process', it.gpid],
    ['agent', orNothing(it.agent)],
    ['role', it.role],
    ['containment', it.containment],
    ['grants', orNothing(it.grants.join(', '))],
    ['parent', it.parent === null ? orNothing(null) : String(it.parent)],
    ['task', orNothing(it.task)]
  ])
}
