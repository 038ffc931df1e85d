// The arguments of the kernel's own process, as the command passes them on.

import { parseArgs } from 'node:util'
import { WeaverError } from '../core/index.ts'
import type { RepairWish } from './chain-repair.ts'
import type { StartFlags } from './config.ts'

export interface StartArguments {
  readonly home: string
  readonly flags: StartFlags
  /** The invite comes on standard input: other users can read arguments. */
  readonly readsInvite: boolean
  /** The kernel stops when descriptor 4 ends: whoever runs it in the foreground is gone. */
  readonly hasLifeline: boolean
  /** Take the own lane back from other members first. */
  readonly repair: RepairWish | null
}

/** @throws WeaverError `NODE_ARGUMENTS_INVALID` */
export function parseStartArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>
): StartArguments {
  const values = parsed(args)
  if (values.home === undefined) throw invalid('--home is missing')
  return {
    home: values.home,
    readsInvite: values.join === '-',
    hasLifeline: values.lifeline === true,
    repair: values.repair === true ? { isLossAccepted: values['accept-loss'] === true } : null,
    flags: {
      name: values.name ?? null,
      labels: values.label ?? null,
      gpu: values.gpu ?? null,
      listen: values.listen ?? addressesIn(environment['WEAVER_LISTEN']),
      http: values.http ?? null,
      blobBudget: values['blob-budget'] ?? null,
      mdns: switched(values.mdns, values['no-mdns']),
      upnp: switched(values.upnp, values['no-upnp'])
    }
  }
}

/** `WEAVER_LISTEN`: what `--listen` says, for scripts that cannot pass flags; addresses with commas between. */
function addressesIn(text: string | undefined): readonly string[] | null {
  return text === undefined || text === '' ? null : text.split(',')
}

function parsed(args: readonly string[]) {
  const one = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const many = { type: 'string', multiple: true } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        home: one,
        name: one,
        gpu: one,
        http: one,
        'blob-budget': one,
        join: one,
        label: many,
        lifeline: flag,
        listen: many,
        mdns: flag,
        'no-mdns': flag,
        upnp: flag,
        'no-upnp': flag,
        repair: flag,
        'accept-loss': flag
      }
    }).values
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error))
  }
}

function invalid(why: string): WeaverError {
  return new WeaverError('NODE_ARGUMENTS_INVALID', `Cannot start the kernel: ${why}`)
}

/** What `--name` and `--no-name` say: null for nothing. */
function switched(on: boolean | undefined, off: boolean | undefined): boolean | null {
  if (off === true) return false
  return on === true ? true : null
}
