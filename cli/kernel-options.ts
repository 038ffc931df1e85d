// What the kernel's process is started with, beside its own options.

// Streams leave their buffers behind as garbage, and V8 collects it only when twice this space is full. At
// 1 MB a stream of 1 GB grew the process by 23 MB, at Node's standard 16 MB by 82 MB, and was slower.
// Collecting so little takes half a millisecond; with helper threads the main one waits for each of them to get a
// core, which on a busy machine made the hundred collections of a start three times longer. V8 would collect again
// eight seconds after a thorough collection, to give back what that one does (node/idle-garbage.ts): it found nothing.
export const NODE_OPTIONS: readonly string[] = [
  '--max-semi-space-size=1',
  '--no-parallel-scavenge',
  '--no-memory-reducer'
]

// glibc keeps freed memory in one arena for each thread, and gives little of it back: after 2,000 tasks
// 50 MB more. One arena for all costs nothing that can be measured here. V8's compilers work in pieces of 32 KiB, a
// hundred megabytes of them while the policy engine warms up, and between what stays they leave holes that are never
// given back: 25 MB at rest. Pieces of that size come from the system by themselves, and go back to it. The kernel takes
// these out of its environment again (node/main.ts), so that no child of it has them; what a user has set stays.
export const MALLOC_OPTIONS = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '262144',
  MALLOC_MMAP_THRESHOLD_: '32768'
}
