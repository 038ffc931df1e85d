/**
 * The only way out of a contained process: a proxy in the kernel, for what its `net:` grants name.
 *
 * @module
 */

export { EgressProxies } from './proxies.ts'
export type { EgressDeps, EgressOptions } from './proxies.ts'
export type { EgressLedger, Resolve, Watch, Watcher } from './ports.ts'
