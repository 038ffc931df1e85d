// Each grant is an act of its own: a spawn asks for itself and for everything that it wants to hand over.

import type { Grant } from '../core/index.ts'
import { unreachable } from '../core/index.ts'
import type { Action } from './action.ts'
import type { GateRequest, Principal } from './request.ts'

/** What the gate is asked before `grant` is given to whatever `principal` is. */
export function grantRequest(principal: Principal, grant: Grant): GateRequest {
  const { action, resource } = actOf(grant)
  return { principal, action, resource, context: {} }
}

function actOf(grant: Grant): { readonly action: Action; readonly resource: string } {
  switch (grant.kind) {
    case 'fs.read':
    case 'fs.write':
      return { action: grant.kind, resource: `path:${grant.path}` }
    case 'net':
      return { action: 'net.connect', resource: `host:${grant.host}:${grant.port ?? '*'}` }
    case 'env':
      return { action: 'env.pass', resource: `variable:${grant.name}` }
    case 'secret':
      return { action: 'secret.read', resource: `secret:${grant.name}` }
    case 'tool':
      return { action: 'tool.use', resource: `tool:${grant.name}` }
    case 'exec':
      return { action: 'exec.use', resource: `program:${grant.name}` }
    case 'spawn':
      return { action: 'spawn.use', resource: 'spawn:any' }
    case 'ipc': {
      const kind = /^\d+(?:@|$)/.test(grant.name) ? 'process' : 'agent'
      return { action: 'ipc.send', resource: `${kind}:${grant.name}` }
    }
    case 'delegate':
      return { action: 'delegate.use', resource: `delegate:${grant.name}` }
    default:
      return unreachable(grant)
  }
}
