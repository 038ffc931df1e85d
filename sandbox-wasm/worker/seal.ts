// The last thing a worker does before guest code: it gives up what it needed to get here. Wasm reaches
// nothing but its imports anyway; this is for the day when the translator or the engine has a hole.

import { registerHooks } from 'node:module'

/** No further files, threads or modules, save the one at `url`; no way back to Node from the globals. */
export function giveUpTheWorld(url: string): void {
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier !== url) throw new Error('This process loads no further modules')
      return next(specifier, context)
    }
  })
  const permission: unknown = Reflect.get(process, 'permission')
  for (const scope of ['fs.read', 'worker']) drop(permission, scope)
  for (const name of ['process', 'fetch', 'WebSocket', 'EventSource', 'Buffer', 'navigator']) {
    Reflect.deleteProperty(globalThis, name)
  }
}

/** Not every Node 24 has it: without, the permissions given at the start remain, and they are few. */
function drop(permission: unknown, scope: string): void {
  if (typeof permission !== 'object' || permission === null) return
  const dropScope: unknown = Reflect.get(permission, 'drop')
  if (typeof dropScope === 'function') Reflect.apply(dropScope, permission, [scope])
}
