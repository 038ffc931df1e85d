// Bench of capabilities: one check of a token that was narrowed twice, beside the library's own work on the
// same token and facts.

import { decodeCbor, epoch, parseGrant, signerFromSeed, taskId } from '../core/index.ts'
import { systemClock, systemEntropy } from '../core/system.ts'
import { biscuitEngine } from '../governance/capabilities/biscuit.ts'
import { createCapabilities } from '../governance/capabilities/capability.ts'
import { authorizerOf } from '../governance/capabilities/datalog.ts'
import { printMeasured, takeTurns } from './stats.ts'
import type { Bench, Print } from './stats.ts'

export const benches: readonly Bench[] = [
  {
    name: 'capability',
    title: 'one check of a token that was narrowed twice, beside the library alone',
    notMeasured: 'the load of the library (30 ms, once in 1,000 checks); a cache: there is none',
    run: benchCapability
  }
]

async function benchCapability(print: Print): Promise<void> {
  const signer = signerFromSeed(systemEntropy.bytes(32))
  const node = signerFromSeed(systemEntropy.bytes(32)).nodeId
  const capabilities = createCapabilities({
    signer,
    entropy: systemEntropy,
    wall: () => systemClock.wall(),
    mayIssue: () => true
  })
  const run = { task: taskId('0123456789abcdef'), epoch: epoch(1), node }
  const wide = ['fs.read:/data', 'fs.write:/data/out', 'net:*.example.com:443', 'secret:TOKEN']
  const grants = wide.map(parseGrant)
  const wanted = [parseGrant('fs.read:/data/in'), parseGrant('net:api.example.com:443')]
  const token = await capabilities.issue({ ...run, grants, until: null })
  const once = await capabilities.narrow(token, { grants: grants.slice(0, 3) })
  const twice = await capabilities.narrow(once, { grants: wanted })
  const { key, inner } = parts(twice)
  print(`  ${twice.length} bytes`)
  const measured = await takeTurns(
    [
      {
        name: 'weaver: envelope, certificate, token, facts',
        once: async () => {
          const shown = { issuer: signer.nodeId, ...run, grants: wanted }
          const verdict = await capabilities.check(twice, shown)
          if (verdict.kind !== 'held') throw new Error(verdict.reason)
        }
      },
      {
        name: 'biscuit-wasm: the same token and facts',
        once: async () => {
          const facts = authorizerOf({ ...run, time: systemClock.wall(), grants: wanted })
          const { refusal } = (await biscuitEngine()).verify(inner, key, facts)
          if (refusal !== null) throw new Error(refusal)
        }
      }
    ],
    { rounds: 5, operations: 300, inFlight: 1 }
  )
  printMeasured(print, measured, false)
}

function parts(envelope: Uint8Array): { readonly key: Uint8Array; readonly inner: Uint8Array } {
  const value = decodeCbor(envelope)
  const isEnvelope =
    typeof value === 'object' && value !== null && 'key' in value && 'token' in value
  if (!isEnvelope || !(value.key instanceof Uint8Array) || !(value.token instanceof Uint8Array)) {
    throw new Error('the token is not as expected')
  }
  return { key: value.key, inner: value.token }
}
