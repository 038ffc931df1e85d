/**
 * Which node runs what, and exactly one result for each task: placement, the origin that owns a task, and
 * the executor that runs it.
 *
 * @module
 */

export { createExecutor } from './executor-driver.ts'
export type { Executor, ExecutorDeps, ExecutorOptions } from './executor.ts'
export type { ExecutorEvent } from './executor-events.ts'
export { declaredGpus, gpusText, gpuVariables, parseGpuRequest } from './gpu.ts'
export type { GpuDevice, GpuRequest, GpuState } from './gpu.ts'
export { createOrigin } from './origin-driver.ts'
export type { Origin, OriginDeps, OriginOptions, SubmittedTask } from './origin.ts'
export { place } from './placement.ts'
export type { Needs, Placement } from './placement.ts'
export type * from './ports.ts'
export { parseTaskSpec } from './spec.ts'
export type { TaskSpec } from './spec.ts'
export { Resources } from './resources.ts'
export type { ExitStatus, TaskResult } from './result.ts'
export { executionStore, originStore } from './task-store.ts'
export type { OriginEvent, TaskView } from './task-view.ts'
export { EXECUTOR_SERVICE, ORIGIN_SERVICE, remoteExecutors, remoteOrigins } from './wire.ts'
export { routeExecutors, routeOrigins, serveExecutor, serveOrigin } from './wire.ts'
export type { ServedExecutor } from './wire.ts'
