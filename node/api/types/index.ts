// All that the control API says.

export type * from './basics.ts'
export type * from './blobs.ts'
export type * from './chain.ts'
export type * from './kernel.ts'
export type * from './labels.ts'
export type * from './mesh.ts'
export type * from './policy.ts'
export type * from './processes.ts'
export type * from './secrets.ts'
export type * from './tools.ts'
export type * from './work.ts'
