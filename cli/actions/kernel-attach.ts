import type { Runner } from '../command.ts'
import { EXIT } from '../errors.ts'
import { showEvents, showOutput } from '../streams.ts'

export const attach: Runner = async ({ client, output }, args) => {
  const [process] = args.words
  if (process === undefined) await showEvents(client.events(), output)
  else await showOutput(client.processOutput(process, { follow: true }), output)
  return EXIT.done
}
