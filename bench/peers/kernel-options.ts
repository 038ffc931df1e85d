/** As `weaver kernel start` runs a kernel (`cli/daemon.ts`). */
export const KERNEL_OPTIONS: readonly string[] = [
  '--max-semi-space-size=1',
  '--no-parallel-scavenge'
]
