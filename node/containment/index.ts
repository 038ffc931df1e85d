export { entering } from './entering.ts'
export { GrantRefusedError } from './errors.ts'
export { missing, openContainment } from './open.ts'
export type { OpenContainment } from './open.ts'
export { TRAP_NOTE_CHARACTERS_MAX, TRAPS_TOLD_MAX } from './limits.ts'
export { foundProgram } from './program.ts'
export type {
  Container,
  ControlGroup,
  DevicePlace,
  Guard,
  LaunchPlan,
  LaunchWish,
  ToldPlan,
  WaitingPlan
} from './ports.ts'
export { insideOf, outsideOf, PATH_INSIDE, seenInside } from './view.ts'
export { trapChanges, trapNote } from './traps.ts'
export type { TrapChange } from './traps.ts'
export { checkGuards, lookAtWorkspaces } from './workspace-look.ts'
export type { WorkspaceLook } from './workspace-look.ts'
