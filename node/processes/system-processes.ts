import { platform } from 'node:process'
import { linuxProcesses } from './linux-processes.ts'
import { macProcesses } from './mac-processes.ts'
import type { OsProcesses } from './os-processes.ts'

/** The process table of this machine. */
export const systemProcesses: OsProcesses = platform === 'darwin' ? macProcesses : linuxProcesses
