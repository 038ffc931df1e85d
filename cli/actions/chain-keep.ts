import type { Runner } from '../command.ts'
import { EXIT, usageError } from '../errors.ts'

export const keep: Runner = async ({ client, output }, args) => {
  const lanes = args.texts('lane')
  const [all, own] = [args.flag('all'), args.flag('own')]
  if ([all, own, lanes.length > 0].filter(Boolean).length !== 1) {
    throw usageError('say which lanes to keep: --lane NODE, again for each, or --own, or --all')
  }
  const kept = await client.keepLanes({ lanes: all ? null : lanes })
  await output.document(kept, ({ lanes: names }) => {
    if (names === null) return 'this node keeps all lanes'
    const others =
      names.length === 0 ? 'its own lane only' : `its own lane, and of ${names.join(', ')}`
    return `this node keeps ${others}\nwhat it holds of others stays, and grows no more: weaver chain status`
  })
  return EXIT.done
}
