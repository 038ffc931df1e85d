export { findings } from './checks.ts'
export type { Finding, Seen, SeenFile, SeenKernel } from './checks.ts'
export { seenHere } from './probe.ts'
